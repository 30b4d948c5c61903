"""From a training run or an evaluation to the page a person reads."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .._version import __version__
from ..core.cores import available_cores
from ..core.errors import InputError
from ..core.reference import read_reference
from ..core.types import Interval
from ..data.image.decode import decode
from ..data.image.facts import pixel_size
from ..data.image.preprocess import Preprocess, apply, for_images
from ..data.preparation import Preparation
from ..draw.charts import NBSP, percent
from ..draw.plot import Plot
from ..embed.session import Session
from ..learn.figures import COVERAGE, ClassFigures, LabelFigures, NumberFigures, decimals
from ..learn.judged import Judged
from ..learn.selection import Trial
from ..learn.targets import ClassTargets, LabelTargets, NumberTargets
from ..model import storage
from ..model.export import LOGITS
from ..stats import metrics
from ..stats import mistakes as interpret
from ..training.random_split import claim, meaning
from ..training.trained import Trained
from .answers import judged_parts, pictures_of
from .page import DuplicateGroup, Headline, Report, between, render

_LOG_LOSS = (
    "It is −ln of the probability that the model gave to what is the case: 0 where it is sure and right every "
    "time, ln 2 = 0.69 where it is in two minds."
)
LOSSES = {
    "classification": ("Log-loss", _LOG_LOSS),
    "multi-label": ("Log-loss", f"{_LOG_LOSS} Here it is the mean over the labels."),
    "regression": (
        "Squared error",
        "It is given in variances of the numbers: 0 where every answer is exact, 1 for always answering the mean.",
    ),
}
GROUPS_SHOWN = 16
MEMBERS_SHOWN = 4
# Images decoded twice, reduced and in full, to see what the reduction does to probabilities.
REDUCED_CHECKED = 12


def training_report(trained: Trained, files: Mapping[str, bytes], created_at: str) -> str:
    """The report of a training run, as HTML."""
    targets = trained.targets
    embeddings = trained.chosen.embeddings
    features = trained.chosen.features
    kinds = {"classification": "classes", "multi-label": "labels", "regression": "numbers"}
    what = f", {len(targets.names)} {kinds[targets.task]}" if len(targets.names) > 1 else ""
    judged_items = [trained.all_items[row] for row in trained.judged.rows_J]
    report = Report(
        title=trained.options.name or Path(trained.dataset.source).stem or "model",
        subtitle=f"{len(trained.items)} images{what} · trained {created_at[:10]}",
        headlines=_headlines(trained),
        warnings=trained.warnings,
        **judged_parts(trained.judged, judged_items, trained.figures, trained.options.accept),
        reliability_note=_calibration_note(trained),
        duplicates=_duplicate_groups(trained),
        duplicates_total=len(trained.duplicates.clusters()),
        contradictions_total=len(trained.contradictory),
        duplicates_note=_duplicates_note(trained),
        skipped=trained.skipped,
        image_sizes=tuple(pixel_size(fact) for fact in embeddings.facts if "width" in fact.details),
        input_size=_input_size(features.backbone.preprocess),
        trials=trained.chosen.trials,
        trials_note=_trials_note(trained.chosen.trials),
        loss=LOSSES[targets.task],
        learning=_learning(trained),
        run=_run(trained),
        notes=_notes(trained, files),
    )
    return render(report)


def _calibration_note(trained: Trained) -> str:
    if not isinstance(trained.targets, ClassTargets):
        return ""
    on = "each half of the held-out images by the other half" if trained.tuned else "images the model had not seen"
    return (
        f"Confidences were set right (calibrated) on {on}: they are what the network claims at a temperature of "
        f"{1 / trained.beta:.2f}; above 1 it had been too sure of itself (temperature scaling)."
    )


def _learning(trained: Trained) -> tuple[Plot, ...]:
    tuned = trained.tuned
    if tuned is None:
        return ()
    return (Plot("Loss while fine-tuning", tuned.curve, f"Fine-tuned: {trained.verdict_on_tuning}."),)


def _headlines(trained: Trained) -> tuple[Headline, ...]:
    figures, judged, seed = trained.figures, trained.judged, trained.options.seed
    how = f"on images it had not seen ({figures.how})"
    random = _random_split_card(trained)
    match figures:
        case ClassFigures():
            note = f"{how}; {figures.constant}, would give {percent(figures.baseline)}"
            cards = [Headline("Accuracy", percent(figures.accuracy.value), between(figures.accuracy), note)]
            return (*cards, *_worst_card(trained), *random, *_class_cards(trained, figures))
        case LabelFigures():
            mean = figures.mean_average_precision
            note = f"{how}; guessing by how common each label is would give {figures.baseline:.3f}"
            exact = (
                "every label of the image, and no other; always giving the labels that most often go together would give "
                f"{percent(figures.baseline_exact)}"
            )
            low, high = _bootstrapped(judged, seed)
            smaller = "mean over labels; smaller is better, 0: sure and right every time"
            return (
                Headline("Mean average precision", f"{mean.value:.3f}", _range(mean), note),
                Headline("All labels right", percent(figures.exact.value), between(figures.exact), exact),
                *_worst_card(trained),
                *random,
                Headline("Log-loss", f"{figures.log_loss:.3f}", f"{low:.3f}–{high:.3f}", smaller),
            )
        case NumberFigures():
            cards = []
            for m, name in enumerate(figures.names):
                error, half = figures.mean_absolute_error[m], figures.half_widths[m]
                title = (
                    f"Mean absolute error, {name}"
                    if len(figures.names) > 1 or name != "number"
                    else "Mean absolute error"
                )
                guess = f"{how}; always answering the median would give {figures.baseline[m]:.3g}"
                explained = "0: no better than always answering the mean; 1: exact"
                cards += [
                    Headline(title, f"{error.value:.3g}", _range(error), guess),
                    Headline(
                        "Interval", f"± {half:.3g}", note=f"holds the true number for about {COVERAGE:.0%} of images"
                    ),
                    Headline("Explained variance, R²", decimals(figures.r_squared[m]), note=explained),
                ]
            return (*cards, *_worst_card(trained), *random)


def _worst_card(trained: Trained) -> tuple[Headline, ...]:
    worst = trained.worst
    if worst is None or not worst.is_weak:
        return ()
    kind = {"recall": "class", "average precision": "label", "mean absolute error": "range"}[worst.measure]
    name, _, rest = worst.sentence().partition(", " if worst.measure != "recall" else ": ")
    return (Headline(f"Worst {kind}", name.strip("“”"), note=rest),)


def _random_split_card(trained: Trained) -> tuple[Headline, ...]:
    claimed = claim(trained.figures)
    if claimed is None:
        return ()
    note = meaning(trained.figures, held_out=trained.on_given_split, grouped=trained.grouped)
    return (Headline("A random split would claim", claimed.replace(" ", NBSP), note=note),)


def _trials_note(trials: tuple[Trial, ...]) -> str:
    """Why the features in use are not those of the lowest loss, where they are not; see `learn.selection`."""
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


def _class_cards(trained: Trained, figures: ClassFigures) -> list[Headline]:
    judged, seed, names = trained.judged, trained.options.seed, trained.targets.names
    labels_J, probs_JC, groups_J = judged.targets.values, judged.answers_JO, judged.groups_J
    cards = []
    if figures.auc is not None:
        low, high = metrics.bootstrap(groups_J, lambda rows: metrics.auc(labels_J[rows] == 1, probs_JC[rows, 1]), seed)
        pair = (
            f"how often a “{names[1]}” image is rated more so than a “{names[0]}” one (area under ROC); 0.5: by chance"
        )
        cards.append(Headline("AUC", f"{figures.auc:.3f}", f"{low:.3f}–{high:.3f}", pair))
    low, high = _bootstrapped(judged, seed)
    guessing = f"smaller is better: 0, sure and right every time; {np.log(len(names)):.2f}, every class equally likely"
    cards += [
        Headline("Log-loss", f"{figures.log_loss:.3f}", f"{low:.3f}–{high:.3f}", guessing),
        Headline(
            "Calibration error",
            percent(figures.ece),
            note="by how much confidence misses accuracy, on average: of answers it is 90 % sure of, 90 in 100 should be right",
        ),
    ]
    accepted = probs_JC.max(axis=1) >= trained.options.accept
    if accepted.any():
        error = interpret.share(probs_JC.argmax(axis=1) != labels_J, accepted, groups_J)
        assert error is not None  # something is accepted
        title = f"Answered at {100 * trained.options.accept:g} % confidence"
        note = f"{percent(error.value)} of those wrong ({between(error)}); the rest goes to review"
        cards.append(Headline(title, percent(float(accepted.mean())), note=note))
    return cards


def _bootstrapped(judged: Judged, seed: int) -> tuple[float, float]:
    losses_J = judged.losses_J
    return metrics.bootstrap(judged.groups_J, lambda rows: float(losses_J[rows].mean()), seed)


def _range(interval: Interval) -> str:
    return f"{interval.low:.3g}–{interval.high:.3g}"


def _duplicate_groups(trained: Trained) -> tuple[DuplicateGroup, ...]:
    """Contradictions (one picture, several labels) first, then other groups with several labels, then the largest."""
    duplicates = trained.duplicates
    kinds: dict[int, set[str]] = {}
    for row, _, kind, _ in duplicates.pairs:
        kinds.setdefault(int(duplicates.groups_N[row]), set()).add(kind)
    contradicting = {int(duplicates.groups_N[one.rows[0]]): one.rows for one in trained.contradictory}
    clusters = []
    for members in duplicates.clusters():
        group = int(duplicates.groups_N[members[0]])
        labels = tuple(sorted({trained.all_items[row].label or "" for row in members}))
        kind = "exact" if kinds[group] == {"exact"} else "alike" if kinds[group] == {"embedding"} else "near"
        pair = contradicting.get(group, ())
        # What contradicts each other is shown, however many there are of it.
        clusters.append(([*pair, *(row for row in members if row not in pair)], labels, kind, bool(pair)))
    clusters.sort(key=lambda cluster: (not cluster[3], -len(cluster[1]), -len(cluster[0])))
    shown = [[trained.all_items[row] for row in members[:MEMBERS_SHOWN]] for members, *_ in clusters[:GROUPS_SHOWN]]
    pictures = iter(pictures_of([item for items in shown for item in items]))
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
    threshold = trained.duplicates.cosine_threshold
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
    features, options = trained.chosen.features, trained.options
    return (
        ("Source", trained.dataset.source),
        ("Images", f"{len(trained.items)} for training, {len(trained.skipped)} skipped"),
        (
            "Groups",
            f"{len(trained.duplicates.clusters())} of copies and near-copies, {trained.user_groups} given with the data",
        ),
        ("Features", f"{features.name} ({features.backbone.licence})"),
        ("Choice", trained.chosen.note),
        ("Preprocessing", features.backbone.preprocess.words),
        ("Head", _head(trained)),
        *((("Fine-tuning", trained.verdict_on_tuning),) if trained.verdict_on_tuning else ()),
        ("Seed", str(options.seed)),
        ("Machine", f"{platform.system()} {platform.machine()}, {available_cores()} cores"),
        ("Versions", f"drivetrain {__version__}, Python {platform.python_version()}"),
    )


def _input_size(preparation: Preparation) -> tuple[int, int] | None:
    """(height, width) that the network sees of an image."""
    return preparation.resize.size if isinstance(preparation, Preprocess) else None


def _head(trained: Trained) -> str:
    penalty = f"held back from learning by heart with C = {trained.fitted.head.penalty:g} (smaller: more)"
    if isinstance(trained.targets, NumberTargets):
        return f"ridge regression, {penalty}"
    if isinstance(trained.targets, LabelTargets):
        return f"a logistic regression a label, {penalty}"
    return f"logistic regression, {penalty}, balance: {trained.options.balance}"


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
    match trained.figures:
        case LabelFigures():
            notes.append(
                "A label is given from the probability on that balances precision and recall best on these very answers (F1), "
                "which flatters both a little, the more so the rarer the label; average precision knows no threshold."
            )
        case NumberFigures():
            notes.append(
                "Intervals around single answers are as wide as the errors of these answers ask for (split-conformal, Lei et al. "
                "2018): one width for all images. Where images come in groups the share they hold is approximate."
            )
    if trained.tuned is not None:
        notes.append(
            "The network was fine-tuned on the other images only and is used as it was judged. Its figures are calibrated "
            "crosswise, each half of the held-out images by the other."
        )
    if trained.options.balance != "none" and isinstance(trained.targets, ClassTargets):
        notes.append(
            f"Classes were weighted ({trained.options.balance}): probabilities refer to a world in which they are "
            "more equally frequent than in this data."
        )
    return (*notes, *_reduced_effect(trained, files))


def _reduced_effect(trained: Trained, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """What decoding large JPEGs at a reduced scale does to probabilities, measured on some of them."""
    reduced = [
        item
        for item, fact in zip(trained.all_items, trained.chosen.embeddings.facts, strict=True)
        if fact.details.get("reduced", 1) != 1
    ]
    if not reduced:
        return ()
    spec = for_images(trained.chosen.features.backbone.preprocess)
    session = Session(files[storage.MODEL])
    worst, changed, checked = 0.0, 0, 0
    for item in reduced[:: max(1, len(reduced) // REDUCED_CHECKED)][:REDUCED_CHECKED]:
        try:
            data = read_reference(item.reference)
            tensors = [apply(decode(data, size).image, spec) for size in (spec.decode_size, None)]
        except (OSError, InputError):
            continue
        logits = [session.run(t[None], [LOGITS])[0] for t in tensors]
        quick, full = (trained.targets.answers(one, trained.beta)[0] for one in logits)
        worst = max(worst, float(np.abs(quick - full).max()))
        changed += int(quick.argmax() != full.argmax())
        checked += 1
    moved = f"moved probabilities by at most {worst:.3f}"
    if isinstance(trained.targets, NumberTargets):
        moved = f"moved answers by at most {worst:.3g}"
    elif isinstance(trained.targets, ClassTargets):
        moved += f" and changed {changed} answers"
    return (
        (
            f"{len(reduced)} large JPEGs were decoded at a reduced scale (at least {spec.decode_floor} pixels on the side that "
            f"counts). On {checked} of them, decoding in full {moved}."
        ),
    )
