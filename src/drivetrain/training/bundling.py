"""Making the files of a bundle from a training run. Shapes: A usable images, N of them trained on, D embedding, W logits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial

import numpy as np

from ..core.cores import available_cores
from ..core.errors import InputError
from ..core.ordered_map import ordered_map
from ..core.reference import read_reference
from ..core.types import FloatArray, Item
from ..data.image import phash
from ..data.image.preprocess import render_of
from ..data.image.render import SRGB, Render
from ..embed.session import Session
from ..model import gallery, golden, storage
from ..model.arrays import TrainingArrays
from ..model.card import render_card
from ..model.export import with_head
from ..model.golden import GoldenExample
from ..model.predictor import Predictor, in_making
from .describing import manifest_of, unseen
from .trained import Trained

GOLDEN_EXAMPLES = 4


def bundle_files(trained: Trained, created_at: str) -> dict[str, bytes]:
    """Every file of the bundle but the report and the sums."""
    files: dict[str, bytes] = {}
    if trained.tuned is None:
        model, frozen_AF = _frozen_model(trained), None
    else:
        # Pictures of another kind are told apart better before fine-tuning, so both networks travel in the bundle.
        features = trained.chosen.features
        model, frozen_AF = trained.tuned.model, trained.frozen_AF
        files[storage.FROZEN] = features.backbone.build(features.blocks).SerializeToString()
    session = Session(model)
    remembered = _arrays(trained, trained.embeddings_AD, frozen_AF)
    arrays = remembered.to_bytes()
    gate = None if trained.gate is None else trained.gate.fitted.arrays
    if gate is not None:
        files[storage.GATE] = gate.to_bytes()
    identity = _identity(model, trained.beta, arrays, files.get(storage.GATE))
    described = manifest_of(trained, created_at, identity)
    pictures = _pictures(trained, remembered)
    if pictures:
        files[storage.GALLERY] = gallery.write_gallery(pictures)
    files |= {
        storage.MODEL: model,
        storage.ARRAYS: arrays,
        storage.MANIFEST: described.to_json().encode(),
        storage.CARD: render_card(described).encode(),
    }
    predictor = in_making(described, remembered, session, files.get(storage.FROZEN), gate)
    examples = _golden_examples(trained, predictor)
    return files | golden.write_golden(examples, described.input, predictor.see)


def _frozen_model(trained: Trained) -> bytes:
    """The frozen network with the head on it."""
    features, head = trained.chosen.features, trained.fitted.head
    # The graph does not scale the features, so the factor goes into the weights.
    graph = features.backbone.build(features.blocks)
    return with_head(graph, head.weight_DC * trained.scale, head.bias_C, views=features.views)


def _identity(model: bytes, beta: float, arrays: bytes, gate: bytes | None) -> str:
    """Make the bundle's id: equal models of equal data get equal ids, whenever and wherever they were made."""
    parts = [
        model,
        repr(beta).encode(),
        *(hashlib.sha256(part).digest() for part in (arrays, gate) if part is not None),
    ]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def _arrays(trained: Trained, embeddings_AD: FloatArray, frozen_AF: FloatArray | None) -> TrainingArrays:
    """Make the arrays: the images trained on come first, then those a fine-tuned network was judged on, if they are others."""
    rows, facts = trained.sides.training, [trained.chosen.embeddings.facts[row] for row in trained.sides.training]
    unseen_rows, unseen_logits = np.arange(len(rows)), trained.fitted.out_of_fold.logits_NC
    if trained.tuned is not None:
        judged = trained.tuned.judged
        rows = np.concatenate([rows, judged.rows_J[~np.isin(judged.rows_J, rows)]])
        place = {int(row): n for n, row in enumerate(rows)}
        unseen_rows, unseen_logits = np.asarray([place[int(row)] for row in judged.rows_J]), judged.logits_JW
    sample = trained.sample
    prints = [fact.fingerprint for fact in facts if fact.fingerprint is not None]
    digests = np.frombuffer(bytes.fromhex("".join(fact.content_sha256 for fact in facts)), np.uint8)
    return TrainingArrays(
        embeddings_ND=embeddings_AD[rows].astype(np.float16),
        targets_N=sample.targets.values[rows],
        groups_N=sample.groups_N[rows].astype(np.int64),
        unseen_logits_MC=np.asarray(unseen_logits, np.float32),
        unseen_rows_M=unseen_rows.astype(np.int64),
        pixels_sha256_T32=digests.reshape(-1, 32),
        frequencies_TKK=phash.frequencies(prints).astype(np.float16),
        frozen_NF=None if frozen_AF is None else frozen_AF[rows].astype(np.float16),
    )


def _pictures(trained: Trained, remembered: TrainingArrays) -> dict[int, bytes]:
    """Small pictures of some of the images it was trained on, by their rows of the arrays."""
    options, n_trained = trained.options, len(trained.trained_on.items)
    rows = gallery.choose(remembered.embeddings_ND[:n_trained], trained.targets.strata_N, options.gallery)
    workers = options.workers or available_cores()
    render = render_of(trained.chosen.features.backbone.preprocess)
    made = ordered_map(
        partial(_picture, trained.trained_on.items, render=render), rows, workers=workers, ahead=2 * workers
    )
    return {row: picture for row, picture in zip(rows, made, strict=True) if picture is not None}


def _picture(items: Sequence[Item], row: int, render: Render = SRGB) -> bytes | None:
    try:
        return gallery.picture_of(read_reference(items[row].reference), render)
    except (OSError, InputError):
        return None  # the file is gone since it was embedded; the others will do


def _golden_examples(trained: Trained, predictor: Predictor) -> list[tuple[bytes, GoldenExample]]:
    """A few inputs the model has not seen, chosen as their kind has it; all but the last without loss."""
    judged, described = unseen(trained), predictor.manifest
    form = described.input
    examples: list[tuple[bytes, GoldenExample]] = []
    for j in judged.targets.golden(judged.answers_JO, GOLDEN_EXAMPLES):
        if len(examples) == GOLDEN_EXAMPLES:
            break
        lossless = len(examples) < GOLDEN_EXAMPLES - 1
        try:
            content = form.read(trained.sample.items[judged.rows_J[j]].reference)
        except InputError:
            continue  # the file is gone since it was embedded; another will do
        data = form.golden_file(content, lossless=lossless)
        _, seen = golden.answer(data, form, predictor.see)
        file = f"{len(examples)}.{form.golden_ending(lossless=lossless)}"
        examples.append((data, golden.entry_of(file, lossless, seen, described, predictor.policy)))
    if examples and trained.gate is not None:
        data, file = trained.gate.example.data, f"far.{form.golden_ending(lossless=True)}"
        _, seen = golden.answer(data, form, predictor.see)
        examples.append((data, golden.entry_of(file, True, seen, described, predictor.policy, far=True)))
    return examples
