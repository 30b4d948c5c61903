"""A loaded bundle: input in, prediction out. Parse, audit, construct; nothing from disk is executed.

Shapes: N images, D embedding, F frozen embedding, W logits, C outputs; a tensor is of the
shape that the manifest's input states.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from ..core.cores import available_cores
from ..core.errors import BundleError, InputError, SchemaError, UsageError, WeightsError
from ..core.local_path import local_path
from ..core.types import Facts, FloatArray, Prediction
from ..embed.backbone import INPUT, OUTPUT
from ..embed.batch_sizes import in_batches
from ..embed.quarantine import Quarantine
from ..embed.session import Session
from .arrays import TrainingArrays
from .explain.heatmap import Heatmaps, Method
from .export import LOGITS
from .gallery import Gallery
from .gate import GateArrays
from .golden import Parity, replay, replay_planted
from .graph_audit import audit_graph
from .manifest import Manifest, parse_manifest
from .memory import Memory
from .no_bundle import read_bundle
from .policy import Policy, unreadable
from .seen import Seen
from .signature import verify
from .storage import ARRAYS, FROZEN, GALLERY, GATE, MANIFEST, MODEL, read_files
from .try_first import try_first

_QUARANTINE = Quarantine()

Source = object
"""A source that the manifest's input is read from: a path, the bytes of a file, or for images a Pillow image."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Predictor:
    """A bundle ready to answer. Make one with `load`; it is safe to use from several threads."""

    path: Path
    manifest: Manifest
    parity: Parity | None
    """The result of the golden replay; None when it was skipped."""
    model_sha256: str
    """SHA-256 (hex) of ``model.onnx``, by which to know it again."""
    gallery: Gallery | None
    """Pictures of training images, where the bundle carries any."""
    gate: GateArrays | None
    """The arrays by which inputs unlike those trained on are known; None where there is no gate."""
    _arrays: TrainingArrays
    _files: Mapping[str, bytes]
    _session: Session
    _frozen_graph: bytes | None = None
    _wide: Session | None = None
    """The same graph, several threads a call; None unless `load` was told to make it."""
    _heatmaps: dict[Method | None, Heatmaps] = field(default_factory=dict, init=False)

    def __repr__(self) -> str:
        manifest = self.manifest
        return f"<Predictor {manifest.name!r} ({manifest.bundle_id}), {manifest.task}, {len(manifest.outputs)} outputs>"

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, labels or numbers, in the order of the outputs."""
        return self.manifest.outputs

    def arrays(self) -> TrainingArrays:
        """The arrays that the bundle keeps of its training set."""
        return self._arrays

    def file(self, name: str) -> bytes | None:
        """Return a file of the bundle (such as ``report.html``), or None. The model and the arrays are not kept as bytes."""
        return self._files.get(name)

    def predict(self, source: Source) -> Prediction:
        """Predict one input: a path, the bytes of a file, or an object of the input's own: a Pillow image.

        A file that cannot be used gives verdict ``unreadable`` with the reason in ``error``; nothing is raised for it.

        Raises:
            UsageError: ``source`` is something else altogether.
        """
        name = str(source) if isinstance(source, (str, PathLike)) else ""
        try:
            content = self.manifest.input.read(source)
            tensor = self.tensor(content)
        except InputError as error:
            return unreadable(name, f"{error.reason}: {error.detail}", self.manifest.bundle_id)
        (seen,) = self.see(tensor[None], [self.manifest.input.facts(content)])
        return self.judge(name, seen)

    def predict_many(self, sources: Iterable[Source], workers: int | None = None) -> Iterator[Prediction]:
        """Predict many, in order, as they become ready; ``sources`` is read a few ahead, so it may be endless.

        ``workers`` threads; by default one more than cores.

        Raises:
            UsageError: a single source instead of several, or fewer than one worker.
        """
        if self.manifest.input.is_one(sources) or not isinstance(sources, Iterable):
            noun = self.manifest.input.noun
            raise UsageError(f"predict_many takes several {noun}s, received one {type(sources).__name__}; use predict")
        if workers is not None and workers < 1:
            raise UsageError(f"predict_many needs at least one worker, received {workers}")
        return self._predict_many(iter(sources), workers or available_cores() + 1)

    def _predict_many(self, sources: Iterator[Source], workers: int) -> Iterator[Prediction]:
        with ThreadPoolExecutor(workers, thread_name_prefix="predict") as pool:
            waiting: deque[Future[Prediction]] = deque()
            try:
                # A bounded look-ahead keeps all workers busy and memory flat, whatever the length of the input.
                for source in islice(sources, 4 * workers):
                    waiting.append(pool.submit(self.predict, source))
                while waiting:
                    prediction = waiting.popleft().result()
                    for source in islice(sources, 1):
                        waiting.append(pool.submit(self.predict, source))
                    yield prediction
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def run(self, source: Source) -> tuple[FloatArray, FloatArray]:
        """Run the network on an input, as `predict` takes it → logits (W,) and embedding (D,).

        Raises:
            InputError: it cannot be used, or memory does not suffice for it.
            UsageError: ``source`` is something else altogether.
        """
        return self.run_tensor(self.tensor(self.manifest.input.read(source)))

    def run_tensor(self, tensor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Run the network on a preprocessed input, of the input's shape → logits (W,) and embedding (D,)."""
        logits_NW, embedding_ND = self.run_batch(tensor[None])
        return logits_NW[0], embedding_ND[0]

    def see(self, tensors: FloatArray, facts: Sequence[Facts], *, wide: bool = False) -> list[Seen]:
        """Preprocessed inputs (N, …) and what their input says of each → all that their verdicts need.

        ``wide`` as `run_batch` has it.
        """
        logits_NW, embedding_ND = self.run_batch(tensors, wide=wide)
        if not self.policy.needs_frozen:
            return [Seen(logits, own, None, of) for logits, own, of in zip(logits_NW, embedding_ND, facts, strict=True)]
        # Without fine-tuning both are one.
        frozen_NF = embedding_ND if self._frozen_graph is None else map(self.run_frozen, tensors)
        return [Seen(*parts) for parts in zip(logits_NW, embedding_ND, frozen_NF, facts, strict=True)]

    def tensor(self, content: Any) -> FloatArray:
        """Return the network's input for content that the manifest's input has read.

        Raises:
            InputError: nothing, or memory does not suffice for it.
        """
        try:
            return self.manifest.input.tensor(content)
        except MemoryError:
            raise InputError("too large", "not enough memory to prepare it") from None

    def run_batch(self, tensors: FloatArray, *, wide: bool = False) -> tuple[FloatArray, FloatArray]:
        """Run the network on preprocessed inputs (N, …) → logits (N, W) and embeddings (N, D), in runs of `batch_sizes` each.

        ``wide``: with all the threads `load` was told of, sooner done where nothing else is to do.
        """
        session = self._wide if wide and self._wide is not None else self._session
        runs = [session.run(tensors, [LOGITS, OUTPUT]) for tensors in in_batches(tensors)]
        if len(runs) == 1:
            logits_NW, embedding_ND = runs[0]
        else:
            logits_NW, embedding_ND = (np.concatenate(parts) for parts in zip(*runs, strict=True))
        return logits_NW, embedding_ND

    @property
    def is_wide(self) -> bool:
        """Tells whether `run_batch` can use several threads a call."""
        return self._wide is not None

    def release(self) -> None:
        """Give back memory after runs of larger batches than usual."""
        self._session.release()

    def run_frozen(self, tensor: FloatArray) -> FloatArray:
        """Run the network as it was before fine-tuning on a preprocessed input → its embedding (F,).

        Without fine-tuning that is the embedding itself.
        """
        if self._frozen is None:
            return self.run_tensor(tensor)[1]
        embedding_D: FloatArray = self._frozen.run(tensor[None], [OUTPUT])[0][0]
        return embedding_D

    @cached_property
    def _frozen(self) -> Session | None:
        """The second network, made when first asked for, as most callers need none in memory."""
        return None if self._frozen_graph is None else Session(self._frozen_graph)

    @cached_property
    def policy(self) -> Policy:
        """The rules by which answers stand or go before a person."""
        return Policy.of(self.manifest, self.memory)

    @cached_property
    def memory(self) -> Memory:
        """The part of the training set that rules look things up in."""
        return Memory(self.gate, self._arrays)

    def heatmaps(self, method: Method | None = None) -> Heatmaps:
        """Return the maker of heat maps; ``method`` as in `Heatmaps`.

        The graph is read from the bundle again on the first call, and what is made of it is kept: mostly many maps follow.

        Raises:
            BundleError: the bundle is no longer there, or no longer the same.
            UsageError: activation was asked for, and the graph has no such form.
        """
        if method not in self._heatmaps:
            self._heatmaps[method] = self._opened(method)
        return self._heatmaps[method]

    def _opened(self, method: Method | None) -> Heatmaps:
        try:
            files = read_files(self.path)
            found, model = parse_manifest(files[MANIFEST]).bundle_id, files[MODEL]
        except BundleError as error:
            raise BundleError(f"the graph of {self.path} cannot be read again: {error}") from None
        manifest = self.manifest
        # The graph is known by its hash: an id is only the bundle's own claim, and another graph under it has not been tried.
        if found != manifest.bundle_id or hashlib.sha256(model).hexdigest() != self.model_sha256:
            raise BundleError(f"{self.path} holds another bundle now, {found}, not {manifest.bundle_id}")
        kind, preparation = manifest.kind, manifest.input.preprocess
        return Heatmaps(model, self.classes, preparation, method=method, mix_WC=kind.evidence_WC, answers=kind.answers)

    def judge(self, path: str, seen: Seen) -> Prediction:
        """Return the calibrated answer and verdict for the network's outputs."""
        return self.policy.judged(path, seen, self.manifest.kind.answer(seen.logits_W), self.manifest.bundle_id)


@dataclass(frozen=True)
class _Parsed:
    """The parsed files of a bundle, its graphs aside."""

    manifest: Manifest
    arrays: TrainingArrays
    gallery: Gallery | None
    gate: GateArrays | None
    frozen: bytes | None
    """The audited graph of the network before fine-tuning."""


def load(
    path: str | Path,
    *,
    golden: bool = True,
    threads: int = 1,
    signed_by: Path | None = None,
    quarantine: Quarantine | None = _QUARANTINE,
) -> Predictor:
    """Load a bundle (folder or zip): check sums, parse the manifest, construct, then replay the golden images.

    A bundle that this machine has not seen is loaded by another process first, with limits on time and memory, see
    `drivetrain.embed.quarantine`. ``quarantine=None`` does without, where no other process can be started; then the bundle
    has to be trusted. ``signed_by`` is a public key: a bundle that is not signed with it is refused before anything in it
    is parsed, see `drivetrain.model.signature`. ``golden=False`` replays only what was planted to be refused. With ``threads``
    above 1 a lone image can be run on so many cores, see `Predictor.run_batch`; it takes the memory of a second network.

    Raises:
        UsageError: ``path`` is an address, not a path.
        BundleError: there is no bundle here, or its graph cannot be trusted or loaded, or takes too much time or memory.
        ChecksumError: a file is missing, cut short or altered.
        SchemaError: the manifest is malformed or from a newer version, or the other files do not fit it.
        ParityError: this machine does not reproduce the golden answers.
    """
    path = local_path(path)
    try:
        sealed = read_bundle(path)
    except MemoryError:
        raise BundleError(f"{path}: there is not enough memory to read it") from None
    try:
        if signed_by is not None:
            verify(sealed, signed_by)
        parsed = _parse(sealed.files)
        if quarantine is not None:
            try_first(sealed.files, sealed.sums, quarantine, golden=golden)
        return _construct(path, sealed.files, sealed.sums[MODEL], parsed, golden=golden, threads=threads)
    except WeightsError as error:
        raise BundleError(f"{path}: {error}") from None
    except BundleError as error:
        raise type(error)(f"{path}: {error}") from None
    except MemoryError:
        raise BundleError(f"{path}: there is not enough memory to load it") from None


def construct(files: Mapping[str, bytes], *, golden: bool) -> Predictor:
    """Make a predictor from the files of a bundle, in this process; `load` lets another process try it first.

    Raises:
        BundleError, WeightsError: as `load`, without the bundle's path.
    """
    return _construct(Path(), files, hashlib.sha256(files[MODEL]).hexdigest(), _parse(files), golden=golden, threads=1)


def _parse(files: Mapping[str, bytes]) -> _Parsed:
    """Parse all that can be known without running a graph; bounded by the files' sizes."""
    manifest = parse_manifest(files[MANIFEST])
    arrays = TrainingArrays.from_bytes(files[ARRAYS], manifest)
    pictures = files.get(GALLERY)
    gallery = None if pictures is None else Gallery.from_bytes(pictures, len(arrays.embeddings_ND))
    audit_graph(files[MODEL])
    return _Parsed(manifest, arrays, gallery, GateArrays.of_files(files, manifest), _frozen_graph(files, manifest))


def _construct(
    path: Path, files: Mapping[str, bytes], sha256: str, parsed: _Parsed, *, golden: bool, threads: int
) -> Predictor:
    session = Session(files[MODEL])
    _check_fit(session, parsed.manifest)
    wide = Session(files[MODEL], threads) if threads > 1 else None
    # Only the small files are kept: the model's bytes live on in the session, and the arrays as arrays.
    kept = {name: data for name, data in files.items() if name not in (MODEL, ARRAYS, FROZEN, GALLERY, GATE)}
    predictor = Predictor(
        path=path,
        manifest=parsed.manifest,
        parity=None,
        model_sha256=sha256,
        gallery=parsed.gallery,
        gate=parsed.gate,
        _arrays=parsed.arrays,
        _files=kept,
        _session=session,
        _frozen_graph=parsed.frozen,
        _wide=wide,
    )
    if not golden:
        replay_planted(files, parsed.manifest, predictor.see, predictor.policy)
        return predictor
    return replace(predictor, parity=replay(files, parsed.manifest, predictor.see, predictor.policy))


def in_making(
    manifest: Manifest,
    arrays: TrainingArrays,
    session: Session,
    frozen_graph: bytes | None,
    gate: GateArrays | None,
) -> Predictor:
    """The predictor of a bundle that is not written yet, by which its golden examples are made."""
    return Predictor(
        path=Path(),
        manifest=manifest,
        parity=None,
        model_sha256="",
        gallery=None,
        gate=gate,
        _arrays=arrays,
        _files={},
        _session=session,
        _frozen_graph=frozen_graph,
    )


def _frozen_graph(files: Mapping[str, bytes], manifest: Manifest) -> bytes | None:
    """Return the audited graph of the network before fine-tuning, where the manifest says that there is one."""
    if manifest.frozen_width is None:
        return None
    if FROZEN not in files:
        raise SchemaError(f"{FROZEN} is missing; the manifest says that the network was fine-tuned")
    audit_graph(files[FROZEN])
    return files[FROZEN]


def _check_fit(session: Session, manifest: Manifest) -> None:
    """Check that the graph's inputs and outputs are those of the manifest: as declared, and when run."""
    shape = manifest.input.shape
    if session.inputs != {INPUT: shape}:
        raise SchemaError(f"the graph takes {session.inputs}, the manifest says {INPUT} {shape}")
    wanted = {OUTPUT: (manifest.embedding_width,), LOGITS: (manifest.kind.width,)}
    if session.outputs != wanted:
        raise SchemaError(f"the graph gives {session.outputs}, the manifest says {wanted}")
    try:
        blank = session.run(manifest.input.blank(), list(wanted))
    except Exception as error:  # ONNX Runtime raises a dozen unrelated classes here
        raise SchemaError(f"the graph does not run: {' '.join(str(error).split())[:300]}") from None
    for (name, shape), array in zip(wanted.items(), blank, strict=True):
        if array.dtype != np.float32 or array.shape != (1, *shape):
            raise SchemaError(f"the graph gives {name} as {array.dtype} {array.shape}, not float32 {(1, *shape)}")
