"""From an evaluation to the page a person reads."""

from __future__ import annotations

from pathlib import Path

from ..core.figure import Figure
from ..draw.charts import percent
from ..draw.numbers import limits, shown
from ..evaluation.accepted import Accepted
from ..evaluation.run import Evaluation
from ..learn.figures import ClassFigures, LabelFigures, NumberFigures, decimals
from ..model.kinds.numbers import NumberKind
from ..model.manifest import Manifest
from ..model.predictor import Predictor
from .answers import accepted_from, judged_parts
from .page import Headline, Report, between, render


def evaluation_report(evaluation: Evaluation, predictor: Predictor) -> str:
    """The evaluation as an HTML page."""
    return render(
        Report(
            title=f"{predictor.manifest.name} on {Path(evaluation.source).name}",
            subtitle=f"{len(evaluation.items)} images the model had not seen",
            headlines=(*_headlines(evaluation, predictor.manifest), *_accepted_card(evaluation.accepted)),
            warnings=evaluation.warnings,
            **judged_parts(evaluation.judged, evaluation.items, evaluation.figures, accepted_from(predictor.manifest)),
            skipped=evaluation.skipped,
            run=(("Bundle", f"{predictor.path} ({predictor.manifest.bundle_id})"), ("Source", evaluation.source)),
            seconds=(("evaluate", evaluation.seconds),),
        )
    )


def _headlines(evaluation: Evaluation, manifest: Manifest) -> tuple[Headline, ...]:
    figures = evaluation.figures
    match figures:
        case ClassFigures():
            now = figures.accuracy
            cards = [
                Headline("Accuracy", percent(now.value), between(now)),
                *_at_training(manifest.figure("accuracy")),
                Headline("Log-loss", f"{figures.log_loss:.3f}"),
                Headline("Calibration error", percent(figures.ece), note="mean gap between confidence and accuracy"),
            ]
            if figures.auc is not None:
                cards.insert(-2, Headline("AUC", f"{figures.auc:.3f}"))
            return tuple(cards)
        case LabelFigures():
            mean = figures.mean_average_precision
            return (
                Headline("Mean average precision", decimals(mean.value), f"{decimals(mean.low)}–{decimals(mean.high)}"),
                *_at_training(manifest.figure("mean-average-precision")),
                Headline("All labels right", percent(figures.exact.value), between(figures.exact)),
                Headline("Log-loss", f"{figures.log_loss:.3f}", note="mean over labels"),
            )
        case NumberFigures():
            cards, coverage = [], manifest.kind.coverage if isinstance(manifest.kind, NumberKind) else 0
            for m, name in enumerate(figures.names):
                error, held = figures.mean_absolute_error[m], figures.covered[m]
                title = f"Mean absolute error, {name}" if len(figures.names) > 1 else "Mean absolute error"
                cards += [
                    Headline(title, f"{error.value:.3g}", f"{error.low:.3g}–{error.high:.3g}"),
                    *_at_training(manifest.figure("mean-absolute-error", name)),
                    Headline(
                        f"Inside ± {figures.half_widths[m]:.3g}",
                        percent(held.value),
                        between(held),
                        f"meant to be {coverage:.0%}",
                    ),
                ]
            return tuple(cards)
    raise TypeError(f"no headlines for {figures!r}")


def _at_training(claim: Figure | None) -> list[Headline]:
    return [] if claim is None else [Headline("At training time", shown(claim), limits(claim))]


def _accepted_card(accepted: Accepted | None) -> tuple[Headline, ...]:
    if accepted is None:
        return ()
    note = "no answer is sure enough"
    if accepted.n:
        error = accepted.error
        note = f"{accepted.wrong} of {accepted.n} wrong: {percent(error.value)} ({between(error)})"
    title = f"Accepted from confidence {accepted.threshold:g} on"
    return (Headline(title, percent(accepted.share.value), between(accepted.share), note),)
