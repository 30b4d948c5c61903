"""Fit: from labelled items to everything that a training run finds out. The one place that walks this flow.

Shapes: A usable images, N of them trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.cores import available_cores
from ..core.finding import Finding, Severity
from ..core.ports import Progress
from ..data.block.blocks import InputBlock
from ..data.image.traits import Traits
from ..data.sources.metadata_columns import metadata_columns
from ..embed.backbone import Backbone
from ..embed.cache import EmbeddingCache
from ..embed.embedder import Embedder
from ..learn.figures import Figures, with_leak
from ..learn.findings import without
from ..learn.gate_fit import NoGate
from ..learn.head import FittedHead
from ..learn.judged import Judged
from ..learn.reading import Read
from ..learn.rendering_findings import about_fit, about_rendering
from .checks import check_groups
from .contradictions import contradictory
from .describing import with_accept_rule
from .features import Chosen, candidates, choose_and_embed
from .findings import Circumstances, about_threshold, findings_of
from .gate_trial import GateTrial, gate_trial
from .gating import Planted, gate_of
from .gotchas import Gotchas, gotchas_of
from .holdout import TRAINING, judge_head, leak_of, out_of_fold
from .options import TrainOptions
from .outcome import Outcome
from .ready import Ready, Tuned
from .sample import Sample
from .sides import Sides, sides_of
from .stopwatch import Stopwatch
from .subjects import NOT_ASKED, Subjects, subjects_in
from .trained import Trained

Tuner = Callable[[Ready], Tuned]
"""Trains the network itself from a `Ready`."""


def fit(
    found: Read,
    options: TrainOptions,
    cache: EmbeddingCache,
    progress: Progress,
    watch: Stopwatch,
    tuner: Tuner | None = None,
    backbone: Backbone | None = None,
) -> Trained:
    """Embed, group, choose, fit and judge; fine-tune where asked for.

    ``tuner`` brings a network that was trained already; it is used whatever a frozen one achieves. ``backbone`` is used
    instead of what the options name.
    """
    read = Sample.of(found)
    check_groups(read.groups_N, options.balance)
    fitted_range: str | None = None
    with watch("embed"):
        if backbone is None:
            found, fitted_range = _in_range(found, options, cache, progress)
        backbones = [backbone] if backbone else candidates(options, found.input_block)
        embedder = Embedder(cache, options.workers, progress)
        chosen = choose_and_embed(read, options, embedder, cache, progress, backbones)
    with watch("fit"):
        sides = sides_of(read, chosen, (*found.dataset.skipped, *chosen.embeddings.skipped))
        fitted = _fitted(sides, options)
        frozen = _judged(sides, fitted)
        gate = gate_of(sides, chosen, fitted.folds_N, options, embedder)
        traits = found.input_block.traits(sides.sample.items, progress, options.workers, cache)
        subjects = _subjects(sides, frozen, chosen, fitted, options, progress) if options.subjects else NOT_ASKED
        trial = (
            gate_trial(gate, sides, chosen, fitted.folds_N, options, embedder) if isinstance(gate, Planted) else None
        )
    run = Frozen(found, options, sides, chosen, fitted, frozen, gate, trial, fitted_range, traits, subjects)
    if options.deep is None and tuner is None:
        return _concluded(run, None, None)
    with watch("fine-tune"):
        attempt = _fine_tuned(run.ready, found.input_block, progress) if tuner is None else tuner(run.ready)
    outcome = Outcome.of(attempt, kept=tuner is not None or attempt.loss < attempt.frozen_loss)
    return _concluded(run, attempt if outcome.kept else None, outcome)


@dataclass(frozen=True, eq=False)
class Frozen:
    """A run up to where fine-tuning may begin."""

    found: Read
    options: TrainOptions
    sides: Sides
    chosen: Chosen
    fitted: FittedHead
    frozen: Judged
    """The answers of the head on the frozen network."""
    gate: Planted | NoGate | None
    gate_trial: GateTrial | None
    fitted_range: str | None
    """The ranges of values that were fitted, in words; see `InputBlock.fitted`."""
    traits: tuple[Traits | None, ...] = ()
    """Traits of each of the usable images; see `InputBlock.traits`."""
    subjects: Subjects = NOT_ASKED

    @property
    def ready(self) -> Ready:
        """Return all that fine-tuning starts from."""
        sides = self.sides
        return Ready(sides.sample, sides.training, sides.held, self.frozen, self.chosen, self.fitted, self.options)


def _in_range(found: Read, options: TrainOptions, cache: EmbeddingCache, progress: Progress) -> tuple[Read, str | None]:
    """Return what was read with a block that knows between which values inputs lie: as stated, or else fitted."""
    block = found.input_block if options.range is None else found.input_block.in_range(options.range)
    to_train_on = ((item.name, item.reference) for item in found.dataset.items if item.split in TRAINING)
    fitted = block.fitted(to_train_on, progress, options.workers, cache)
    if fitted.words is not None:
        progress.say(f"range of values: {fitted.words}; --range LOW:HIGH states another")
    return replace(found, input_block=fitted.block), fitted.words


def _fitted(sides: Sides, options: TrainOptions) -> FittedHead:
    """Fit the head on the images to train on."""
    n = sides.trained_on
    weights_N = n.targets.weights(n.weights_N, options.balance, n.groups_N)
    return n.targets.fit(n.features_ND, n.groups_N, weights_N, seed=options.seed, threads=available_cores())


def _judged(sides: Sides, fitted: FittedHead) -> Judged:
    """Return the frozen head's answers to images it has not seen."""
    if sides.held is not None:
        return judge_head(sides.held.rows_H, sides.held.how, sides.sample, fitted)
    how = f"out of fold, {fitted.n_folds} folds that keep groups together"
    return out_of_fold(sides.training, sides.trained_on, fitted, how)


def _subjects(
    sides: Sides, frozen: Judged, chosen: Chosen, fitted: FittedHead, options: TrainOptions, progress: Progress
) -> Subjects:
    """Measure the extents of the subjects of images judged."""
    items_J = [sides.sample.items[row] for row in frozen.rows_J]
    return subjects_in(items_J, sides.sample.targets, chosen, fitted, options.seed, progress, options.workers)


def _fine_tuned(ready: Ready, input_block: InputBlock, progress: Progress) -> Tuned:
    from .tuning import fine_tune

    return fine_tune(ready, input_block, progress)


def _about_pictures(run: Frozen) -> tuple[Finding, ...]:
    """Make the findings on how the images' values and colours became sRGB."""
    details = [facts.details for facts in run.chosen.embeddings.facts]
    names = [item.name for item in run.sides.sample.items]
    return (*about_fit(run.fitted_range), *about_rendering(details, names))


def _concluded(run: Frozen, tuned: Tuned | None, outcome: Outcome | None) -> Trained:
    """Everything that follows from the answers judged: those of the fine-tuned network where that is what is used."""
    options, sides, judged = run.options, run.sides, tuned.judged if tuned else run.frozen
    leaky = None
    if sides.held is not None and len(sides.held.leaking):
        leaky = judge_head(sides.held.all_rows, "with leaking images", sides.sample, run.fitted).figures(options.seed)
    random_split = run.fitted.random_split if tuned is None else None
    figures = with_leak(judged.figures(options.seed, random_split=random_split), leaky)
    contradicting = contradictory(sides.duplicates, sides.sample)
    gotchas = _gotchas(run, judged, figures)
    leak = leak_of(sides.held, leaky) if sides.held and leaky else None
    found = findings_of(
        sides,
        figures,
        Circumstances(
            leak=leak,
            contradictory=contradicting,
            n_folds=run.fitted.n_folds,
            balance=options.balance,
            outcome=outcome,
            doubts=run.found.dataset.doubts,
            pictures=(*_about_pictures(run), *(gotchas.findings() if gotchas else ())),
            no_gate=run.gate.sentence if isinstance(run.gate, NoGate) else None,
        ),
    )
    findings, ignored = without(found, options.ignore)
    return _with_accept_rule(
        Trained(
            dataset=run.found.dataset,
            options=options,
            sides=sides,
            contradictory=contradicting,
            chosen=run.chosen,
            fitted=run.fitted,
            judged=judged,
            leak=leak,
            tuned=tuned,
            outcome=outcome,
            gate=run.gate if isinstance(run.gate, Planted) else None,
            gate_trial=run.gate_trial,
            figures=figures,
            worst=judged.worst(options.seed),
            gotchas=gotchas,
            findings=findings,
            ignored=ignored,
        )
    )


def _gotchas(run: Frozen, judged: Judged, figures: Figures) -> Gotchas | None:
    """Look for what gives answers away, and for kinds of images that are answered worse."""
    sides, found = run.sides, run.found
    columns = metadata_columns(Path(found.dataset.source), found.input_block.files)
    known = zip((item.name for item in sides.sample.items), run.traits, strict=True)
    return gotchas_of(
        sides.trained_on,
        run.fitted.folds_N,
        judged,
        [sides.sample.items[row] for row in judged.rows_J],
        figures.settings,
        {name: traits for name, traits in known if traits is not None},
        columns,
        run.subjects,
    )


def _with_accept_rule(trained: Trained) -> Trained:
    """Return the run with its accept rule, and with a finding where the error asked for could not be shown."""
    ruled = with_accept_rule(trained)
    found, ignored = without(about_threshold(ruled.accept), trained.options.ignore)
    before = [one for one in ruled.findings if one.severity is Severity.SERIOUS]
    after = [one for one in ruled.findings if one.severity is not Severity.SERIOUS]
    return replace(ruled, findings=(*before, *found, *after), ignored=(*ruled.ignored, *ignored))
