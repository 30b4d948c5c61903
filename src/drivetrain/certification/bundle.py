"""The files of the bundle that carries a certificate: those of the old one, but for what the certificate changes."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import BundleError, DataError, ParityError, UsageError
from ..model import storage
from ..model.card import render_card
from ..model.golden import judged_anew
from ..model.predictor import Predictor


def check_out(out: Path, certified: Predictor) -> None:
    """Check that the new bundle can be written, and beside the one that is certified, which stays as it is.

    Raises:
        UsageError: it cannot, or would replace that one.
    """
    if out.resolve() == Path(certified.path).resolve():
        raise UsageError(
            f"{out} is the bundle that is certified, and stays as it is; give the new one (--out) a name of its own"
        )
    storage.check_out(out)


def files_of(certified: Predictor) -> dict[str, bytes]:
    """Return the files of a bundle whose predictor has another manifest and gate than on disk; its report is the old one.

    Raises:
        BundleError: the bundle is gone, or another one stands in its place.
        DataError: the input that was planted to be refused is not, by the gate as it is calibrated now.
    """
    files = dict(storage.read_files(Path(certified.path)))
    manifest = certified.manifest
    if certified.gate is not None and manifest.gate is not None:
        files[storage.GATE] = certified.gate.to_bytes()
    files[storage.ARRAYS] = certified.arrays().to_bytes()  # in the present version, whichever they were read from
    files[storage.MANIFEST] = manifest.to_json().encode()
    files[storage.CARD] = render_card(manifest).encode()
    try:
        return files | judged_anew(files, manifest, certified.see, certified.policy)
    except ParityError:
        noun = manifest.input.noun
        raise DataError(
            f"calibrated by these {noun}s, the gate would let pass even the {noun} that was planted to be refused, so no bundle "
            "was written: they are too unlike those trained on; train with some of them, and certify on others"
        ) from None
    except KeyError as missing:
        raise BundleError(f"{certified.path} lacks {missing}; another bundle may stand in its place") from None
