"""From policies, bundles and a source of past cases to a backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ..core.errors import UsageError
from ..core.ports import Progress
from ..core.reference import read_reference
from ..model.predictor import Predictor
from ..rollout.backtest.backtest import Backtest, pairs_of
from ..rollout.backtest.contender import Contender, check_later, usable
from ..rollout.backtest.past import PastCase
from ..rollout.backtest.queue import SHEET, Drawn, draw, read_back, sheet
from ..rollout.backtest.selective import check_selective
from ..rollout.backtest.trial import Told, try_out
from ..rollout.policy import Policy
from .past_answers import Cached
from .past_source import PastSource

# The confidence from which on the plain threshold acts, where the bundle itself accepts nothing.
_USUAL_THRESHOLD = 0.9


@dataclass(frozen=True)
class AskedBacktest:
    """The choices of a backtest."""

    seed: int = 0
    trained_until: Mapping[str, datetime] = field(default_factory=dict)
    """By bundle, as named, the end of its training data, as somebody states it; of ``""``: of every bundle not named."""
    adjudicate: int = 0
    """Cases to be drawn for blind adjudication."""
    queue: Path | None = None
    """The folder of the sheet on which they are adjudicated."""
    cached: Cached = field(default_factory=Cached)


@dataclass(frozen=True)
class QueueMade:
    """The sheet that was written, to be filled in."""

    path: Path
    cases: int


def backtest(
    policies: Mapping[str, Policy],
    bundles: Mapping[str, Predictor],
    source: PastSource,
    asked: AskedBacktest,
    progress: Progress,
) -> tuple[Backtest, QueueMade | None]:
    """Try every policy with every bundle, each by its name, on the cases of a source.

    Raises:
        DataError: the log is selective, or says nothing of a contender; a sheet is not filled in.
        UsageError: a bundle does not answer with one label.
    """
    past = source.past
    remarks = [*past.remarks, *check_selective(past.cases, past.source)]
    found: list[Contender] = []
    for name, predictor in bundles.items():
        _check(name, predictor)
        titles = {title: _named(title, name, policies, bundles) for title in policies}
        found += _contenders(name, predictor, policies, titles, source, asked, progress, remarks)
    told, made = _adjudicated(source, found, asked)
    trials = [try_out(past, one, told, asked.seed, progress) for one in found]
    return Backtest(past, tuple(trials), tuple(pairs_of(trials)), asked.seed, tuple(remarks)), made


def _check(name: str, predictor: Predictor) -> None:
    if not predictor.manifest.kind.one_label:
        raise UsageError(
            f"{name} is for {predictor.manifest.task}; a rollout, and so its backtest, is for bundles that answer with one label"
        )


def _contenders(
    name: str,
    predictor: Predictor,
    policies: Mapping[str, Policy],
    titles: Mapping[str, str],
    source: PastSource,
    asked: AskedBacktest,
    progress: Progress,
    remarks: list[str],
) -> list[Contender]:
    """Make the contenders of one bundle, which answers once for all policies."""
    manifest = predictor.manifest
    stated = asked.trained_until.get(name, asked.trained_until.get(""))
    until = stated or datetime.fromisoformat(manifest.created_at)
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until.astimezone(UTC)
    dated_by = "as stated" if stated else "when the bundle was made, as it does not say when its data end"
    own = any(source.is_of(policy, manifest.bundle_id) for policy in policies.values())
    if not own:
        check_later(source.past, name, until, dated_by)
    given = source.answers(predictor, datetime.min.replace(tzinfo=UTC) if own else until, asked.cached, progress)
    remarks += [f"{name}: {said}" for said in given.remarks]
    accept = manifest.accept
    least = _USUAL_THRESHOLD if accept is None or accept.confidence is None else accept.confidence
    return [
        Contender(
            name=titles[title],
            policy=policy,
            bundle=name,
            bundle_id=manifest.bundle_id,
            outputs=tuple(manifest.outputs),
            trained_until=until,
            dated_by=dated_by,
            answers=given.answers,
            threshold=least,
            copies=given.copies,
            as_logged=source.is_of(policy, manifest.bundle_id),
        )
        for title, policy in policies.items()
    ]


def _named(title: str, bundle: str, policies: Mapping[str, Policy], bundles: Mapping[str, Predictor]) -> str:
    """Name a contender by whatever there are several of."""
    if len(bundles) == 1:
        return title
    return bundle if len(policies) == 1 else f"{title} · {bundle}"


def _adjudicated(
    source: PastSource, contenders: Sequence[Contender], asked: AskedBacktest
) -> tuple[Told, QueueMade | None]:
    """Read the sheet of adjudications; where there is none yet, write it."""
    if not asked.adjudicate or asked.queue is None:
        return {}, None
    drawn = draw(_usable(source, contenders), [one.answers for one in contenders], asked.adjudicate, asked.seed)
    path = asked.queue / SHEET
    if path.exists():
        labels = dict.fromkeys(label for one in contenders for label in one.outputs)
        labels.update(dict.fromkeys(label for one in drawn for label in (one.first, one.second)))
        return read_back(path, drawn, tuple(labels)), None
    if not drawn:
        return {}, None
    _write(asked.queue, drawn, source)
    return {}, QueueMade(path, len(drawn))


def _usable(source: PastSource, contenders: Sequence[Contender]) -> list[PastCase]:
    """Return the cases that at least one contender may be tried on."""
    ids = {case.case.id for one in contenders for case in usable(source.past, one).cases}
    return [one for one in source.past.cases if one.case.id in ids]


def _write(folder: Path, drawn: Sequence[Drawn], source: PastSource) -> None:
    """Write the sheet and, under names that say nothing, the pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {}
    for number, one in enumerate(drawn, start=1):
        reference = source.picture(one.case.case.id)
        if reference is not None:
            data = read_reference(reference)
            pictures[one.token] = f"{number:04}{_ending(data)}"
            (folder / pictures[one.token]).write_bytes(data)
    (folder / SHEET).write_text(sheet(drawn, pictures), encoding="utf-8")


def _ending(data: bytes) -> str:
    """Return the ending of a picture's file by its first bytes; the file's own name could give the case away."""
    known = {
        b"\xff\xd8\xff": ".jpg",
        b"\x89PNG": ".png",
        b"GIF8": ".gif",
        b"BM": ".bmp",
        b"II*\x00": ".tif",
        b"MM\x00*": ".tif",
    }
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ".webp"
    return next((ending for head, ending in known.items() if data.startswith(head)), ".img")
