"""Making the page about a training run."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from .._version import __version__
from ..core.cores import available_cores
from ..core.errors import InputError
from ..core.reference import read_reference
from ..data.image.decode import decode
from ..data.image.facts import pixel_size
from ..data.image.preprocess import Preprocess, apply, for_images, render_of
from ..data.image.render import Render
from ..data.preparation import Preparation
from ..draw.numbers import percent, span
from ..draw.plot import Plot
from ..embed.session import Session
from ..learn.accept_rule import Accepted
from ..learn.sections import ConfidentFrom
from ..learn.selection import Trial
from ..model import storage
from ..model.export import LOGITS
from ..model.manifest import Manifest, parse_manifest
from ..stats.metrics import Floats
from ..training.describing import accepted, unseen
from ..training.random_split import claim, meaning
from ..training.trained import Trained
from .accepting import accepting
from .answers import headline, pictures_of, with_answers
from .gate import gate_section
from .gotchas import gotchas_section
from .page import DuplicateGroup, Headline, Report, render

GROUPS_SHOWN = 16
MEMBERS_SHOWN = 4
# The number of images decoded twice, reduced and in full, to see what the reduction does to probabilities.
REDUCED_CHECKED = 12


def training_report(trained: Trained, files: Mapping[str, bytes], created_at: str) -> str:
    """The report of a training run, as HTML."""
    targets, chosen, sides = trained.targets, trained.chosen, trained.sides
    described = parse_manifest(files[storage.MANIFEST])
    what = f", {len(targets.names)} {targets.many}" if len(targets.names) > 1 else ""
    stand = accepted(trained, unseen(trained), described)
    report = Report(
        title=trained.options.name or Path(trained.dataset.source).stem or "model",
        subtitle=f"{len(trained.trained_on)} images{what} · trained {created_at[:10]}",
        headlines=tuple(_headlines(trained, described)),
        warnings=tuple(one.sentence for one in trained.findings),
        reliability_note=_calibration_note(trained),
        accepting=accepting(trained.independent, stand, described),
        gate=gate_section(trained, described.input, None if trained.independent else stand),
        gotchas=gotchas_section(trained.gotchas, trained.sample.items, _render(trained)),
        duplicates=_duplicate_groups(trained),
        duplicates_total=len(sides.duplicates.clusters()),
        contradictions_total=len(trained.contradictory),
        duplicates_note=_duplicates_note(trained),
        skipped=sides.skipped,
        image_sizes=tuple(pixel_size(fact) for fact in chosen.embeddings.facts if "width" in fact.details),
        input_size=_input_size(chosen.features.backbone.preprocess),
        trials=chosen.trials,
        trials_note=_trials_note(chosen.trials),
        loss=targets.loss_is,
        learning=_learning(trained),
        run=_run(trained),
        notes=_notes(trained, files),
    )
    judged_items = [trained.sample.items[row] for row in trained.judged.rows_J]
    sections = trained.judged.sections(judged_items, trained.figures.settings, ConfidentFrom.of(described))
    return render(with_answers(report, sections, judged_items, _render(trained)))


def _calibration_note(trained: Trained) -> str:
    on = "each half of the held-out images by the other half" if trained.tuned else "images the model had not seen"
    return trained.targets.calibration_note(trained.beta, on)


def _learning(trained: Trained) -> tuple[Plot, ...]:
    tuned = trained.tuned
    if tuned is None:
        return ()
    return (
        Plot("Loss while fine-tuning", tuned.curve, f"Fine-tuned: {trained.outcome.words}." if trained.outcome else ""),
    )


def _headlines(trained: Trained, described: Manifest) -> Iterator[Headline]:
    """The first figure, what is worst, what a random split would claim, and the other figures."""
    figures = trained.figures
    first, *others = figures.overall
    yield headline(first, f"on images it had not seen ({figures.how})")
    yield from _worst_card(trained)
    yield from _random_split_card(trained)
    for row in others:
        yield headline(row)
    yield from _accepted_card(accepted(trained, trained.judged, described))


def _worst_card(trained: Trained) -> Iterator[Headline]:
    worst = trained.worst
    if worst is not None and worst.is_weak:
        yield Headline(f"Worst {worst.what}", worst.first.name, note=worst.rest)


def _random_split_card(trained: Trained) -> Iterator[Headline]:
    claimed = claim(trained.figures)
    if claimed is not None:
        note = meaning(trained.figures, held_out=trained.on_given_split, grouped=trained.grouped)
        yield Headline("A random split would claim", claimed, note=note)


def _accepted_card(stand: Accepted | None) -> Iterator[Headline]:
    if stand is not None and stand.n:
        error = stand.error
        note = f"{percent(error.value)} of those wrong ({span(error.low, error.high)}); a person sees the rest"
        yield Headline(f"Accepted {stand.lets.at}", percent(stand.share.value), note=note)


def _trials_note(trials: tuple[Trial, ...]) -> str:
    """Say why the features in use are not those of the lowest loss, where they are not; see `learn.selection`."""
    chosen = next((trial for trial in trials if trial.chosen), None)
    finite = [trial for trial in trials if np.isfinite(trial.log_loss)]
    if chosen is None or not finite:
        return ""
    lowest = min(finite, key=lambda trial: trial.log_loss)
    if lowest.log_loss >= chosen.log_loss:
        return ""
    return (
        f"The lowest loss, {lowest.log_loss:.4f}, is that of “{lowest.name}”, and “{chosen.name}” was chosen all the same: the "
        "two are too close to tell them apart on these images, or the gain is not worth its price. Other layers than the "
        "usual ones are taken only where their loss is lower by more than one standard error of the difference; the mirrored "
        "image, which doubles the work of every answer, only where it is lower by two and by a tenth."
    )


def _duplicate_groups(trained: Trained) -> tuple[DuplicateGroup, ...]:
    """Contradictions (one picture, several labels) first, then other groups with several labels, then the largest."""
    duplicates, items = trained.sides.duplicates, trained.sample.items
    kinds: dict[int, set[str]] = {}
    for row, _, kind, _ in duplicates.pairs:
        kinds.setdefault(int(duplicates.pictures_N[row]), set()).add(kind)
    contradicting = {int(duplicates.pictures_N[one.rows[0]]): one.rows for one in trained.contradictory}
    clusters = []
    for members in duplicates.clusters():
        group = int(duplicates.pictures_N[members[0]])
        labels = tuple(sorted({items[row].label or "" for row in members}))
        kind = "exact" if kinds[group] == {"exact"} else "alike" if kinds[group] == {"embedding"} else "near"
        pair = contradicting.get(group, ())
        # Contradictions are all shown, however many there are.
        clusters.append(([*pair, *(row for row in members if row not in pair)], labels, kind, bool(pair)))
    clusters.sort(key=lambda cluster: (not cluster[3], -len(cluster[1]), -len(cluster[0])))
    shown = [[items[row] for row in members[:MEMBERS_SHOWN]] for members, *_ in clusters[:GROUPS_SHOWN]]
    pictures = iter(pictures_of([item for items in shown for item in items], _render(trained)))
    return tuple(
        DuplicateGroup(
            kind=kind,
            size=len(members),
            members=tuple((next(pictures), item.label or "") for item in items),
            labels=labels,
            contradicts=contradicts,
        )
        for (members, labels, kind, contradicts), items in zip(clusters, shown, strict=False)
    )


def _duplicates_note(trained: Trained) -> str:
    threshold = trained.sides.duplicates.cosine_threshold
    if threshold is None:
        return (
            "Found by equal pixels and by a fingerprint that survives another size or format (perceptual hash). How alike the "
            "network finds two images was not used: in this set, images that are merely alike cannot be told from altered "
            "copies by it."
        )
    return (
        "Found by equal pixels, by a fingerprint that survives another size or format (perceptual hash), and by how alike the "
        f"network finds two images (cosine of their embeddings, 1 for the same; from {threshold:.3f} on): as alike as "
        "slightly altered copies of these images are to their originals, and more so than images that are merely alike."
    )


def _run(trained: Trained) -> tuple[tuple[str, str], ...]:
    features, options, sides = trained.chosen.features, trained.options, trained.sides
    return (
        ("Source", trained.dataset.source),
        *((("Taken as", "; ".join(trained.dataset.notes)),) if trained.dataset.notes else ()),
        ("Images", f"{len(sides.trained_on)} for training, {len(sides.skipped)} skipped"),
        (
            "Groups",
            f"{len(sides.duplicates.clusters())} of copies and near-copies, {sides.user_groups} given with the data",
        ),
        ("Features", f"{features.name} ({features.backbone.licence})"),
        ("Choice", trained.chosen.note),
        ("Preprocessing", features.backbone.preprocess.words),
        ("Head", _head(trained)),
        *((("Fine-tuning", trained.outcome.words),) if trained.outcome else ()),
        ("Seed", str(options.seed)),
        ("Machine", f"{platform.system()} {platform.machine()}, {available_cores()} cores"),
        ("Versions", f"drivetrain {__version__}, Python {platform.python_version()}"),
    )


def _render(trained: Trained) -> Render:
    return render_of(trained.chosen.features.backbone.preprocess)


def _input_size(preparation: Preparation) -> tuple[int, int] | None:
    """The (height, width) of an image as the network sees it."""
    return preparation.resize.size if isinstance(preparation, Preprocess) else None


def _head(trained: Trained) -> str:
    penalty = f"held back from learning by heart with C = {trained.fitted.head.penalty:g} (smaller: more)"
    return trained.targets.head_in_words(penalty, trained.options.balance)


def _notes(trained: Trained, files: Mapping[str, bytes]) -> tuple[str, ...]:
    notes = [
        f"Figures come from answers on images the model had not seen: {trained.figures.how}.",
        (
            "Intervals are two-sided at 95 %: were all of this done again with other images of the same kind, 19 of 20 such "
            "intervals would hold the true figure. Images of one group (copies, or members of a group given with the data) "
            "count as fewer than as many independent ones. Shares have Wilson's interval, everything else a bootstrap over "
            "groups."
        ),
    ]
    if trained.tuned is not None:
        notes.append(
            "The network was fine-tuned on the other images only and is used as it was judged. Its figures are calibrated "
            "crosswise, each half of the held-out images by the other."
        )
    notes += trained.targets.method_notes(trained.options.balance)
    return (*notes, *_reduced_effect(trained, files))


def _reduced_effect(trained: Trained, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Say what decoding large JPEGs at a reduced scale does to probabilities, measured on some of them."""
    items, facts = trained.sample.items, trained.chosen.embeddings.facts
    reduced = [item for item, fact in zip(items, facts, strict=True) if fact.details.get("reduced", 1) != 1]
    if not reduced:
        return ()
    spec = for_images(trained.chosen.features.backbone.preprocess)
    session = Session(files[storage.MODEL])
    quick: list[Floats] = []
    full: list[Floats] = []
    for item in reduced[:: max(1, len(reduced) // REDUCED_CHECKED)][:REDUCED_CHECKED]:
        try:
            data = read_reference(item.reference)
            tensors = [apply(decode(data, size, render=spec.render).image, spec) for size in (spec.decode_size, None)]
        except (OSError, InputError):
            continue
        for answers, tensor in zip((quick, full), tensors, strict=True):
            answers.append(trained.targets.answers(session.run(tensor[None], [LOGITS])[0], trained.beta)[0])
    if not quick:
        return ()
    moved = trained.targets.moved(np.stack(quick), np.stack(full))
    return (
        (
            f"{len(reduced)} large JPEGs were decoded at a reduced scale (at least {spec.decode_floor} pixels on the side that "
            f"counts). On {len(quick)} of them, decoding in full {moved}."
        ),
    )
