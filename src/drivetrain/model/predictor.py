"""A loaded bundle: image in, prediction out. Parse, audit, construct; nothing from disk is executed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from PIL import Image

from ..core.errors import BundleError, ImageError, SchemaError, WeightsError
from ..core.types import FloatArray, Prediction, Verdict
from ..data.decode import Decoded, decode, to_rgb
from ..data.preprocess import apply
from ..embed.backbone import INPUT, OUTPUT
from ..embed.embedder import available_cores
from ..embed.session import Session
from .arrays import TrainingArrays
from .export import LOGITS
from .golden import Parity, replay
from .manifest import Manifest, parse_manifest
from .metrics import softmax
from .storage import ARRAYS, MANIFEST, MODEL, read_files

Source = str | Path | bytes | Image.Image


@dataclass(frozen=True)
class Predictor:
    """A bundle ready to answer. Make one with `load`; it is safe to use from several threads."""

    path: Path
    manifest: Manifest
    parity: Parity | None
    """None when the golden replay was skipped."""
    _files: Mapping[str, bytes]
    _session: Session

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the probabilities."""
        return self.manifest.classes

    def arrays(self) -> TrainingArrays:
        """What the bundle keeps of its training set.

        Raises:
            SchemaError: the arrays are malformed.
        """
        return TrainingArrays.from_bytes(self._files[ARRAYS])

    def file(self, name: str) -> bytes | None:
        """A file of the bundle (such as ``report.html``), or None."""
        return self._files.get(name)

    def predict(self, source: Source) -> Prediction:
        """Predict one image: a path, the bytes of a file, or a Pillow image.

        A file that cannot be used gives verdict ``unreadable`` with the reason in ``error``; nothing is raised for it.
        """
        name = str(source) if isinstance(source, (str, Path)) else ""
        try:
            image = decode_source(source, self.manifest).image
            logits_C, _ = self.run(image)
        except ImageError as error:
            return Prediction(
                name,
                None,
                0.0,
                {},
                Verdict.UNREADABLE,
                self.manifest.bundle_id,
                error=f"{error.reason}: {error.detail}",
            )
        return self.judge(name, logits_C)

    def predict_many(self, sources: Iterable[Source], workers: int | None = None) -> Iterator[Prediction]:
        """Predict many, in order, as they become ready. ``workers`` threads; by default one more than cores."""
        workers = workers or available_cores() + 1
        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[Future[Prediction]] = deque()
            rest = iter(sources)
            try:
                # A bounded look-ahead keeps all workers busy and memory flat, whatever the length of the input.
                for source in islice(rest, 4 * workers):
                    waiting.append(pool.submit(self.predict, source))
                while waiting:
                    prediction = waiting.popleft().result()
                    for source in islice(rest, 1):
                        waiting.append(pool.submit(self.predict, source))
                    yield prediction
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def run(self, image: Image.Image) -> tuple[FloatArray, FloatArray]:
        """Upright RGB image → logits (C,) and embedding (D,)."""
        return self.run_tensor(apply(image, self.manifest.preprocess))

    def run_tensor(self, tensor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Preprocessed image (3, H, W) → logits (C,) and embedding (D,)."""
        logits_NC, embedding_ND = self._session.run(tensor[None], [LOGITS, OUTPUT])
        return logits_NC[0], embedding_ND[0]

    def judge(self, path: str, logits_C: FloatArray) -> Prediction:
        """Calibrated probabilities and verdict from logits."""
        probs_C = softmax(logits_C[None], self.manifest.calibration.beta)[0]
        best = int(probs_C.argmax())
        confidence = float(probs_C[best])
        accepted = confidence >= self.manifest.accept.confidence
        return Prediction(
            path=path,
            label=self.classes[best],
            confidence=confidence,
            probs={name: float(p) for name, p in zip(self.classes, probs_C, strict=True)},
            verdict=Verdict.ACCEPT if accepted else Verdict.REVIEW,
            bundle_id=self.manifest.bundle_id,
        )


def decode_source(source: Source, manifest: Manifest) -> Decoded:
    """A path, bytes or Pillow image → upright RGB image.

    Raises:
        ImageError: missing, unreadable or not an image.
    """
    if isinstance(source, Image.Image):
        rgb = to_rgb(source)
        return Decoded(rgb, *rgb.size, format=source.format or "", mode=source.mode, reduced=1)
    if isinstance(source, bytes):
        return decode(source, manifest.preprocess.decode_size)
    try:
        data = Path(source).read_bytes()
    except FileNotFoundError:
        raise ImageError("missing", "no such file") from None
    except OSError as error:
        raise ImageError("unreadable", error.strerror or str(error)) from None
    return decode(data, manifest.preprocess.decode_size)


def load(path: str | Path, *, golden: bool = True) -> Predictor:
    """Load a bundle (folder or zip): check sums, parse the manifest, construct, then replay the golden images.

    ``golden=False`` skips the replay.

    Raises:
        BundleError: there is no bundle here.
        ChecksumError: a file is missing, cut short or altered.
        SchemaError: the manifest is malformed or from a newer version, or the graph does not fit it.
        ParityError: this machine does not reproduce the golden answers.
    """
    path = Path(path)
    files = read_files(path)
    manifest = parse_manifest(files[MANIFEST])
    try:
        session = Session(files[MODEL])
    except WeightsError as error:
        raise BundleError(f"{path}: {error}") from None
    _audit(session, manifest, path)
    parity = replay(files, manifest.preprocess, manifest.calibration.beta, session) if golden else None
    # The model's bytes live on in the session; only the small files are kept.
    kept = {name: data for name, data in files.items() if name != MODEL}
    return Predictor(path, manifest, parity, kept, session)


def _audit(session: Session, manifest: Manifest, path: Path) -> None:
    height, width = manifest.preprocess.resize.size
    if session.inputs.get(INPUT) != (3, height, width) or len(session.inputs) != 1:
        raise SchemaError(f"{path}: the graph takes {session.inputs}, the manifest says {INPUT} (3, {height}, {width})")
    wanted = {OUTPUT: (manifest.embedding_width,), LOGITS: (len(manifest.classes),)}
    if session.outputs != wanted:
        raise SchemaError(f"{path}: the graph gives {session.outputs}, the manifest says {wanted}")
