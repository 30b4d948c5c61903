"""A backbone from a hub: ``owner/name``, or ``owner/name@revision`` to pin a branch, tag or commit.

The repository holds ``model.onnx`` (or ``onnx/model.onnx``) and a JSON that says how an image becomes its input:
``drivetrain.json`` or ``model.json`` (see `drivetrain.embed.foreign.sidecar`), else a timm-style ``config.json``. All files are
taken from one commit. ``HF_ENDPOINT``, ``HF_HOME``, ``HF_TOKEN`` and ``HF_HUB_OFFLINE`` mean what they mean to
huggingface_hub, which does the transfer and keeps the files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from ..._version import __version__
from ...core.errors import UsageError, WeightsError
from ...core.installation import install_command
from ..backbone import Backbone
from .onnx_file import MAX_GRAPH_BYTES, OnnxFile, backbone, blamed_on, read_bytes
from .sidecar import EXAMPLE, MAX_BYTES, Sidecar, parse, parse_timm

MODELS = ("model.onnx", "onnx/model.onnx")
TIMM_CONFIG = "config.json"

COMMIT = re.compile("[0-9a-f]{40}")
NAME = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


def load(name: str) -> Backbone:
    """Load a backbone by ``owner/name`` or ``owner/name@revision``; downloads the files that are not there yet.

    Raises:
        UsageError: not such a name.
        WeightsError: huggingface_hub is not installed, the hub cannot be reached or refuses, a file is missing or
            damaged, or the model cannot be used.
    """
    match = NAME.fullmatch(name)
    if match is None:
        raise UsageError(f"“{name}” does not name a model on a hub; write OWNER/NAME or OWNER/NAME@REVISION")
    repository = _Repository(match["repo"], match["revision"])
    found = repository.first(MODELS)
    if found is None:
        raise WeightsError(f"{repository} has no {' or '.join(MODELS)}; export one, or choose another repository")
    filename, path = found
    folder = PurePosixPath(filename).parent
    # Links in the client's cache lead from a commit's files to shared contents, so the cache is the boundary.
    file = OnnxFile(path, boundary=repository.cache(filename, path))
    with blamed_on(f"{filename} of {repository}"):
        further = file.external()
    for location in further:
        if repository.first([str(folder / location)]) is None:
            raise WeightsError(f"{repository} has no {folder / location}, where {filename} keeps weights")
    sidecar, raw = _sidecar(repository, folder, file)
    address = f"hub:{repository}"
    if sidecar.source == "unknown":
        sidecar = sidecar.model_copy(update={"source": f"{repository} on {repository.endpoint}"})
    return backbone(file, sidecar, raw, name=address)


def _sidecar(repository: _Repository, folder: PurePosixPath, file: OnnxFile) -> tuple[Sidecar, bytes]:
    found = repository.first(["drivetrain.json", str(folder / "model.json"), TIMM_CONFIG])
    if found is None:
        raise WeightsError(
            f"{repository} has no drivetrain.json, model.json or {TIMM_CONFIG}, which says how its input is made; "
            f"download the model and put a JSON beside it: {EXAMPLE}"
        )
    filename, path = found
    raw = read_bytes(path, MAX_BYTES)
    where = f"{filename} of {repository}"
    if filename != TIMM_CONFIG:
        return parse(raw, where), raw
    from .audit import audit  # ONNX is heavy to import, and only this kind of JSON needs it here

    with blamed_on(str(file.path)):
        graph_size = audit(file.read(raw)[0], str(file.path)).size
    return parse_timm(raw, graph_size, where), raw


class _AbsentError(Exception):
    """The repository has no such file."""


class _UnreachableError(Exception):
    """The hub cannot be asked, and the file is not in the cache."""


class _Repository:
    """One commit of one repository; which commit is settled by the first file."""

    def __init__(self, repo: str, revision: str | None) -> None:
        try:
            from huggingface_hub import constants
        except ImportError:
            raise WeightsError(f"to load {repo} from a hub, {install_command('hub')}") from None
        self.endpoint: str = constants.ENDPOINT
        self._repo = repo
        self._revision = revision
        self._reachable = True

    def __str__(self) -> str:
        return f"{self._repo}@{self._revision}" if self._revision else self._repo

    def first(self, filenames: Sequence[str]) -> tuple[str, Path] | None:
        """Find the first of these files that there is, with its path in the cache; None where there is none.

        Raises:
            WeightsError: none is in the cache, and the hub cannot be asked or refuses.
        """
        unreachable = None
        for filename in filenames:
            try:
                path = self._fetch(filename)
            except _AbsentError:
                continue
            except _UnreachableError as error:  # another of the files may still be in the cache
                unreachable = unreachable or error
                self._reachable = False
                continue
            self._revision = self._snapshot(filename, path).name
            return filename, path
        if unreachable is not None:
            raise WeightsError(f"cannot get {self} from {self.endpoint} and it is not in the cache: {unreachable}")
        return None

    def cache(self, filename: str, path: Path) -> Path:
        """The client's cache folder, given one file in it: CACHE/models--OWNER--NAME/snapshots/COMMIT/FILENAME."""
        return self._snapshot(filename, path).parents[2]

    def _snapshot(self, filename: str, path: Path) -> Path:
        return path.parents[len(PurePosixPath(filename).parts) - 1]

    def _fetch(self, filename: str) -> Path:
        from huggingface_hub import _CACHED_NO_EXIST, errors, hf_hub_download, try_to_load_from_cache

        if COMMIT.fullmatch(self._revision or ""):  # a commit's content does not change, so the cache may answer
            cached = try_to_load_from_cache(self._repo, filename, revision=self._revision)
            if cached is _CACHED_NO_EXIST:
                raise _AbsentError
            if isinstance(cached, str):
                return Path(cached)
        try:
            path = hf_hub_download(
                self._repo,
                filename,
                revision=self._revision,
                library_name="drivetrain",
                library_version=__version__,
                local_files_only=not self._reachable,
            )
        except errors.GatedRepoError:
            raise WeightsError(
                f"{self} is gated: accept its terms at {self.endpoint}/{self._repo}, then set HF_TOKEN"
            ) from None
        except errors.RepositoryNotFoundError:
            raise WeightsError(self._not_for_you()) from None
        except errors.RevisionNotFoundError:
            raise WeightsError(f"{self._repo} has no revision {self._revision}; name a branch, tag or commit") from None
        except errors.LocalEntryNotFoundError as error:
            if isinstance(error.__cause__, errors.OfflineModeIsEnabled):
                raise _UnreachableError("HF_HUB_OFFLINE is set; unset it once") from None
            raise _UnreachableError(f"{_cause(error)}; check the connection, then try again") from None
        except errors.EntryNotFoundError:
            raise _AbsentError from None
        except errors.HFValidationError as error:
            raise UsageError(f"{self._repo} is not a name a hub can have: {_cause(error)}") from None
        except Exception as error:  # the client's HTTP library, and so its errors, differs from version to version
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status == 401:  # the hub answers strangers so, whether there is such a model or not
                raise WeightsError(self._not_for_you()) from None
            raise WeightsError(f"{filename} of {self} could not be downloaded: {_cause(error)}; try again") from None
        return _verified(Path(path), f"{filename} of {self}")

    def _not_for_you(self) -> str:
        return f"{self.endpoint} has no model {self._repo} that you may see; check the name, or set HF_TOKEN"


def _cause(error: BaseException) -> str:
    """Say in one line what went wrong: the first cause rather than the last consequence."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:300]


def _verified(path: Path, what: str) -> Path:
    """Return the path after checking a large file's content against its name in the cache, a SHA-256."""
    announced = path.readlink().name if path.is_symlink() else ""
    if re.fullmatch("[0-9a-f]{64}", announced):
        received = hashlib.sha256(read_bytes(path, MAX_GRAPH_BYTES)).hexdigest()
        if received != announced:
            raise WeightsError(
                f"{what} is damaged: its SHA-256 is not the announced {announced}; delete {path.resolve()}"
            )
    return path
