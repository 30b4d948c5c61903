"""A watch over one bundle's answers: told of each in turn, it raises alarms. Pure and deterministic, without clock or chance.

Three monitors need no labels. The out-of-domain rate is the one that counts: votes at or below the gate's level, against the
highest rate that the gate's calibration leaves possible. Martingales on the score and on the confidence notice what is no longer
exchangeable. The fourth, the audited error, is told of labels. Each watches every source and all together, see `family`. Of a
certified bundle the mix of answers is watched, of all sources together: where it moves, the certificate expires (`expiry`).

Once an alarm stands, its stream is left alone until `Watch.clear`, so that one change raises one alarm. The state is a JSON text
from which another watch goes on to the bit; its size depends on the number of sources, at most `settings.MOST_SOURCES`, and
hardly on the number of votes.
"""

from __future__ import annotations

import json
import math
from typing import Any

from ..core.errors import UsageError
from ..core.verdict import Verdict
from ..stats.conformal import is_strange
from ..stats.shiryaev_roberts import Factors, alarm_level, factors, highest_rate
from .audited import AuditedError
from .diagnosis import diagnose
from .evidence import Bets, Evidence
from .expiry import Expiry
from .family import Family
from .history import Counts
from .moment import Mark, from_us, to_us
from .observation import Audit, Observation
from .raised import Monitor, Raised
from .ranks import Ranks
from .reference import GateReference, Reference
from .settings import BINS, MOST_SOURCES, OTHERS, Settings
from .stream import Stream

VERSION = 1

# The shares of α: an out-of-domain rate is what the chapter warns of, the others are second.
SHARES = {Monitor.RATE: 0.5, Monitor.CONFIDENCE: 0.25, Monitor.SCORE: 0.25}
_SCORE_EDGES = tuple(place / BINS for place in range(1, BINS))
# The highest rate that there is still something beyond; a gate calibrated on a handful of images knows no more.
HIGHEST = 0.9
# Confidences in the lowest so many bins of training's are worth remembering.
_LOW_BINS = 2


def bound_of(gate: GateReference, settings: Settings) -> float:
    """The rate up to which a gate may refuse images that are inside the domain."""
    return min(highest_rate(gate.calibrated_on, gate.level, settings.rate_confidence), HIGHEST)


class Watch:
    """The monitors of one bundle. Make one with `of`; it is not safe to use from several threads at once."""

    def __init__(self, reference: Reference, settings: Settings) -> None:
        self.reference, self.settings = reference, settings
        self.number = 0
        """Votes so far."""
        self.together = Stream()
        self.sources: dict[str, Stream] = {}
        self.standing: dict[tuple[Monitor, str | None], Raised] = {}
        """The alarms that nobody has cleared, oldest first."""
        self._raised = 0
        self._latched: set[str | None] = set()
        self._families: dict[Monitor, Family[Any]] = {}
        self._ranks: dict[Monitor, Ranks] = {}
        self._factors: Factors | None = None
        gate, confidence, bound = reference.gate, reference.confidence, reference.error_bound
        self.highest_rate: float | None = None
        """The rate up to which in-domain images may be refused; None without a gate."""
        if gate is not None:
            self.highest_rate = bound_of(gate, settings)
            by = self._factors = factors(self.highest_rate, settings.multiples)
            self._families[Monitor.RATE] = Family(
                self._level(Monitor.RATE), lambda: Evidence(len(by.hit)), self._latched
            )
            self._bet_on(Monitor.SCORE, _SCORE_EDGES)
        if confidence is not None:
            self._bet_on(Monitor.CONFIDENCE, confidence.edges)
        self._audited = None if bound is None else AuditedError(bound, settings)
        mix = reference.certificate
        self._expiry = None if mix is None else Expiry(mix, alarm_level(settings.horizon, settings.alpha))

    def _bet_on(self, monitor: Monitor, edges: tuple[float, ...]) -> None:
        self._families[monitor] = Family(self._level(monitor), Bets, self._latched)
        self._ranks[monitor] = Ranks(edges, f"{self.reference.bundle_id} {monitor}".encode())

    @classmethod
    def of(cls, reference: Reference, settings: Settings | None = None) -> Watch:
        """Make a watch that has seen nothing yet."""
        return cls(reference, settings or Settings())

    def _level(self, monitor: Monitor) -> float:
        return alarm_level(self.settings.horizon, self.settings.alpha * SHARES[monitor])

    @property
    def monitors(self) -> tuple[Monitor, ...]:
        """The monitors that this bundle allows."""
        others = {Monitor.ERROR: self._audited, Monitor.CERTIFICATE: self._expiry}
        return (*self._families, *(monitor for monitor, there in others.items() if there is not None))

    def name_of(self, source: str) -> str:
        """The name under which a source is watched: its own, or `settings.OTHERS` where there are too many."""
        return source if source in self.sources or len(self.sources) < MOST_SOURCES else OTHERS

    def update(self, seen: Observation | Audit) -> tuple[Raised, ...]:
        """Take what happened next; return the alarms that it raises."""
        return self._audit(seen) if isinstance(seen, Audit) else self._observe(seen)

    def clear(self, monitor: Monitor, source: str | None) -> bool:
        """Clear an alarm: its stream is watched again, from nothing. False where no such alarm stands."""
        if self.standing.pop((monitor, source), None) is None:
            return False
        if monitor in self._families:
            self._latched.discard(source)
            self._reset(source)
        elif monitor is Monitor.CERTIFICATE:
            if self._expiry is not None:
                self._expiry.clear()
        elif self._audited is not None:
            self._audited.clear(source)
        return True

    def _reset(self, source: str | None) -> None:
        for family in self._families.values():
            family.reset(source)

    def _stream(self, source: str) -> tuple[str, Stream]:
        name = self.name_of(source)
        stream = self.sources.get(name)
        if stream is None:
            stream = self.sources[name] = Stream()
        return name, stream

    def _observe(self, seen: Observation) -> tuple[Raised, ...]:
        source, stream = self._stream(seen.source)
        at_us = to_us(seen.at)
        for one in (stream, self.together):
            one.n += 1
            one.last_us = max(one.last_us, at_us)
        if not stream.votes.counts(at_us, seen.group):
            return ()
        self.number += 1
        mark = Mark(self.number, at_us, seen.id)
        raised: list[Raised] = []
        refused, score, confidence = self._looked_at(seen)
        self._count(seen, (stream, self.together), mark, refused, score, confidence)
        if refused is not None and self._factors is not None:
            family = self._families[Monitor.RATE]
            for evidence in family.streams(source):
                evidence.take(self._factors.hit if refused else self._factors.miss, mark)
            raised += self._alarm(Monitor.RATE, mark)
        if score is not None:
            raised += self._bet(Monitor.SCORE, score, source, mark)
        if confidence is not None:
            raised += self._bet(Monitor.CONFIDENCE, confidence, source, mark)
        return (*raised, *self._expire(seen, source, mark))

    def _expire(self, seen: Observation, source: str, mark: Mark) -> list[Raised]:
        """Tell the certificate's monitor of an answer that could be accepted for all that is known."""
        expiry = self._expiry
        if expiry is None or seen.verdict is Verdict.UNREADABLE or source in self._latched or None in self._latched:
            return []
        if not expiry.mix.overlapping and not seen.labels:
            return []
        if not expiry.vote(seen.labels, mark):
            return []
        return [self._raise(Monitor.CERTIFICATE, None, expiry.evidence, mark)]

    def _looked_at(self, seen: Observation) -> tuple[bool | None, float | None, float | None]:
        """Return the parts that monitors of this bundle look at: refused or not, p-value, confidence; None where not known."""
        if seen.verdict is Verdict.UNREADABLE:
            return None, None, None
        confidence = seen.confidence if Monitor.CONFIDENCE in self._ranks else None
        gate, score = self.reference.gate, seen.p_in_domain
        if gate is None:
            return None, None, confidence
        if score is None:  # the verdict then says that it was refused, or nothing
            return (True if seen.verdict is Verdict.OUT_OF_DOMAIN else None), None, confidence
        return bool(is_strange(score, gate.level)), score, confidence

    def _count(
        self,
        seen: Observation,
        streams: tuple[Stream, Stream],
        mark: Mark,
        refused: bool | None,
        score: float | None,
        confidence: float | None,
    ) -> None:
        place = None if confidence is None else self._ranks[Monitor.CONFIDENCE].place(confidence)
        for stream in streams:
            counts = stream.history.open(mark.number)
            # The confidence of an answer to what is not of the domain says nothing of the others.
            counts.take(seen, refused, score, None if refused else place)
            if refused is not None:
                stream.with_p += 1
                stream.streak = stream.streak + 1 if refused else 0
                if refused:
                    stream.refused += 1
                    stream.unlike.append(mark)
            if place is not None and place < _LOW_BINS:
                stream.least_sure.append(mark)

    def _bet(self, monitor: Monitor, score: float, source: str, mark: Mark) -> list[Raised]:
        if source in self._latched or None in self._latched:  # what came after the change is no reference
            return []
        p = self._ranks[monitor].p_value(score, source, mark.at_us, mark.id)
        for bets in self._families[monitor].streams(source):
            bets.bet(p, mark)
        return self._alarm(monitor, mark)

    def _alarm(self, monitor: Monitor, mark: Mark) -> list[Raised]:
        family = self._families[monitor]
        found = family.alarmed()
        if found is None:
            return []
        source, evidence = found
        raised = self._raise(monitor, source, evidence, mark)
        self._latched.add(source)
        self._reset(source)
        return [raised]

    def _audit(self, audit: Audit) -> tuple[Raised, ...]:
        if self._audited is None or not self._audited.is_new(audit.id):
            return ()
        source, stream = self._stream(audit.source)
        for one in (stream, self.together):
            one.audits += 1
            one.wrong += audit.wrong
        mark = Mark(self.number, to_us(audit.at), audit.id)
        found = self._audited.audit(source, audit.wrong, mark)
        if found is None:
            return ()
        raised = self._raise(Monitor.ERROR, found[0], found[1], mark)
        self._audited.latch(found[0])
        return (raised,)

    def _raise(self, monitor: Monitor, source: str | None, evidence: Evidence, mark: Mark) -> Raised:
        stream = self.together if source is None else self.sources[source]
        began = evidence.began or mark
        before, since = stream.history.parted(began.number)
        self._raised += 1
        diagnosis = diagnose(monitor, self.reference, before, since, streak=stream.streak, look=self._raised)
        kept = stream.least_sure if monitor is Monitor.CONFIDENCE else stream.unlike
        images = [one.id for one in reversed(kept) if one.number >= began.number]
        if monitor is Monitor.ERROR:
            counts: dict[str, Any] = {
                "audits": stream.audits,
                "wrong": stream.wrong,
                "bound": self.reference.error_bound,
            }
            images = [mark.id]
        elif monitor is Monitor.CERTIFICATE and self._expiry is not None:
            counts = self._expiry.told(since.labels)
            images = [one.id for one in reversed(self._expiry.telling) if one.number >= began.number]
        else:
            counts = {"in_domain_at_most": self.highest_rate}
        raised = Raised(
            monitor=monitor,
            source=source,
            began=from_us(min(began.at_us, mark.at_us)),
            raised=from_us(mark.at_us),
            looks_like=diagnosis.looks_like,
            evidence={**diagnosis.evidence, **counts, "began_with": began.id, "images": images},
        )
        self.standing[monitor, source] = raised
        return raised

    def nearness(self, source: str) -> float:
        """Return how far a source has gone towards an alarm of its own, 0–1, on a scale of logarithms: 1 is an alarm."""
        gone = 0.0
        for family in self._families.values():
            evidence = family.by_source.get(source)
            if evidence is not None:
                # Half the sum over all streams alarms: alone, a source would have to reach twice the level.
                gone = max(gone, math.log1p(evidence.value) / math.log1p(2 * family.level))
        return min(gone, 1.0)

    def total(self, source: str | None = None) -> Counts:
        """The counts of all votes of a source, or of all together."""
        return (self.together if source is None else self.sources[source]).history.total()

    def to_json(self) -> str:
        """Write the state; equal states are equal texts."""
        state = {
            "version": VERSION,
            "bundle_id": self.reference.bundle_id,
            "number": self.number,
            "raised": self._raised,
            "together": self.together.to_json(),
            "sources": [[source, stream.to_json()] for source, stream in self.sources.items()],
            "standing": [raised.to_json() for raised in self.standing.values()],
            "latched": sorted(self._latched, key=lambda source: (source is not None, source or "")),
            "families": {str(monitor): family.to_json() for monitor, family in self._families.items()},
            "ranks": {str(monitor): ranks.to_json() for monitor, ranks in self._ranks.items()},
            "audited": None if self._audited is None else self._audited.to_json(),
            **({} if self._expiry is None else {"certificate": self._expiry.to_json()}),
        }
        return json.dumps(state, separators=(",", ":"), ensure_ascii=True)

    @classmethod
    def of_json(cls, text: str, reference: Reference, settings: Settings | None = None) -> Watch:
        """Go on from a state, exactly as though there had been no interruption.

        Raises:
            UsageError: the state is of another bundle, or of a newer version.
        """
        state = json.loads(text)
        if state.get("version") != VERSION:
            raise UsageError(f"the monitor's state has version {state.get('version')}, this drivetrain reads {VERSION}")
        if state["bundle_id"] != reference.bundle_id:
            raise UsageError(f"the monitor's state is of bundle {state['bundle_id']}, not of {reference.bundle_id}")
        watch = cls.of(reference, settings)
        watch.number, watch._raised = state["number"], state["raised"]
        watch.together = Stream.of_json(state["together"])
        watch.sources = {source: Stream.of_json(kept) for source, kept in state["sources"]}
        found = map(Raised.of_json, state["standing"])
        # The set is shared with the families.
        watch._latched.update(state["latched"])
        watch.standing = {(raised.monitor, raised.source): raised for raised in found}
        for monitor, family in watch._families.items():
            family.load(state["families"][monitor])
        for monitor, ranks in watch._ranks.items():
            ranks.load(state["ranks"][monitor])
        if watch._audited is not None:
            watch._audited.load(state["audited"])
        if watch._expiry is not None:
            if "certificate" not in state:
                raise UsageError("the monitor's state is of a version that did not watch the certificate")
            watch._expiry.load(state["certificate"])
        return watch
