"""The gates between a stage, or a step of expanding, and the next: what is known, against what has to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from .accuracy_gates import non_inferior, risk
from .evidence.evidence import Evidence
from .evidence.rates import Rates
from .plain_gates import (
    alarm_free,
    audits,
    automation_bias,
    cases,
    days,
    latency,
    out_of_domain,
    override_rate,
    sample_ratio,
    seeded,
    unresolved,
)
from .policy import Expanding, Parallel, Policy, Supervised
from .reading import GateReading
from .stage import Stage

DAY = timedelta(days=1)


def readings(
    evidence: Evidence, policy: Policy, stage: Stage, step: int, now: datetime, alarms: int = 0
) -> tuple[GateReading, ...]:
    """Return the readings of the gates between here and the next stage or step; every slice by itself, all together first.

    ``alarms`` is the number of alarms of monitors that stand. An advance needs every verdict to be a pass. Behind the last step
    of expanding there is no gate left, and the readings tell how things are.
    """
    if (stage, step) != (evidence.stage, evidence.step):
        raise ValueError(
            f"evidence is of {evidence.stage.value} {evidence.step}, and {stage.value} {step} was asked for"
        )
    names = (None, *_slices(evidence))
    found = [*_accuracy(evidence, policy, names)]
    required: dict[Stage, Parallel | Supervised | Expanding] = {
        Stage.PARALLEL: policy.parallel,
        Stage.SUPERVISED: policy.supervised,
        Stage.EXPANDING: policy.expanding,
    }
    if stage not in required:
        return ()
    rule = required[stage]
    for name in names:
        found += _of_slice(evidence, rule, name)
    found.append(days((now - evidence.since) / DAY, rule.min_days))
    if isinstance(rule, Supervised):
        found += [automation_bias(evidence.rates, rule.max_override), *_seeded(evidence, rule)]
    if isinstance(rule, Expanding):
        found.append(audits(evidence.rates.audits, rule.new_audits))
    return (*found, sample_ratio(evidence.ratio), alarm_free(alarms))


def _slices(evidence: Evidence) -> list[str]:
    """List the slices that have come, or given evidence, in this stage."""
    known = set(evidence.rates_of)
    known |= set(evidence.comparisons if evidence.stage is Stage.PARALLEL else evidence.risks.get(evidence.stage, ()))
    return sorted(known)


def _accuracy(evidence: Evidence, policy: Policy, names: tuple[str | None, ...]) -> Iterator[GateReading]:
    alpha = evidence.alpha
    for name in names:
        if evidence.stage is Stage.PARALLEL:
            comparison = evidence.comparison_of(name)
            yield non_inferior(name, comparison, policy.parallel.margin, alpha, evidence.adjudicators)
            yield unresolved(name, comparison.worst, comparison.n, policy.parallel.max_unresolved)
        elif evidence.stage in evidence.risk:
            rule = policy.supervised if evidence.stage is Stage.SUPERVISED else policy.expanding
            audited = evidence.risk_of(name)
            yield risk(name, audited, rule.max_error, alpha, evidence.adjudicators)
            yield unresolved(name, audited.worst, audited.n, rule.max_unresolved)


def _of_slice(evidence: Evidence, rule: Parallel | Supervised | Expanding, name: str | None) -> Iterator[GateReading]:
    rates = evidence.rates if name is None else evidence.rates_of.get(name, Rates())
    yield cases(name, rates.cases, rule.min_cases)
    yield out_of_domain(name, rates.out_of_domain, rule.max_out_of_domain)
    yield latency(name, rates.latency, rule.max_latency_ms)
    if isinstance(rule, Supervised):
        yield override_rate(name, rates.overridden, rule.max_override)


def _seeded(evidence: Evidence, rule: Supervised) -> Iterator[GateReading]:
    if rule.seeded > 0:
        yield seeded(evidence.people.seeded, rule.max_seeded_error)
