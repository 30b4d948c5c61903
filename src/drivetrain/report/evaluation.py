"""Making the page about an evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..data.image.preprocess import render_of
from ..draw.numbers import limits, percent, shown, span
from ..evaluation.evaluation import Evaluation
from ..learn.accept_rule import Accepted
from ..learn.sections import ConfidentFrom
from ..model.manifest import Manifest
from ..model.predictor import Predictor
from .answers import headline, with_answers
from .page import Headline, Report, render


def evaluation_report(evaluation: Evaluation, predictor: Predictor) -> str:
    """The evaluation as an HTML page."""
    manifest, figures = predictor.manifest, evaluation.figures
    report = Report(
        title=f"{manifest.name} on {Path(evaluation.source).name}",
        subtitle=f"{len(evaluation.items)} images the model had not seen",
        headlines=(*_headlines(evaluation, manifest), *_accepted_card(evaluation.accepted)),
        warnings=evaluation.warnings,
        skipped=evaluation.skipped,
        run=_run(evaluation, predictor),
        seconds=(("evaluate", evaluation.seconds),),
    )
    sections = evaluation.judged.sections(evaluation.items, figures.settings, ConfidentFrom.of(manifest))
    return render(with_answers(report, sections, evaluation.items, render_of(manifest.input.preprocess)))


def _run(evaluation: Evaluation, predictor: Predictor) -> tuple[tuple[str, str], ...]:
    """Name the bundle and the source, and say how that was taken."""
    taken = (("Taken as", "; ".join(evaluation.notes)),) if evaluation.notes else ()
    bundle = f"{predictor.path} ({predictor.manifest.bundle_id})"
    return (("Bundle", bundle), ("Source", evaluation.source), *taken)


def _headlines(evaluation: Evaluation, manifest: Manifest) -> Iterator[Headline]:
    """Make a card for each figure; the first also says what training claimed."""
    figures = evaluation.figures
    for row in figures.overall:
        yield headline(row)
        then = manifest.figure(row.slug, row.of) if row.slug == figures.headline.slug else None
        if then is not None:
            yield Headline("At training time", shown(then), limits(then))


def _accepted_card(accepted: Accepted | None) -> tuple[Headline, ...]:
    if accepted is None:
        return ()
    note = accepted.lets.too_few
    if accepted.n:
        error = accepted.error
        note = f"{accepted.wrong} of {accepted.n} wrong: {percent(error.value)} ({span(error.low, error.high)})"
    title = f"Accepted {accepted.lets.where}"
    share = accepted.share
    return (Headline(title, percent(share.value), span(share.low, share.high), note),)
