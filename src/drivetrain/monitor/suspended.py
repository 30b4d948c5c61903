"""The standing of a certificate in words: it stands, it has expired, or it is suspended while an alarm stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from ..draw.numbers import percent
from .certified_mix import CertifiedMix
from .raised import Monitor

SHOWN = 3


class Standing(Protocol):
    """An alarm that stands, as a watch or a store has it."""

    @property
    def monitor(self) -> str: ...
    @property
    def source(self) -> str | None: ...
    @property
    def began(self) -> datetime: ...
    @property
    def evidence(self) -> Mapping[str, Any]: ...


def certificate_state(
    mix: CertifiedMix | None, alarms: Iterable[Standing], *, dated: bool = True
) -> dict[str, Any] | None:
    """Return whether a bundle's certificate stands, with a sentence; None where it has no certificate.

    ``dated``: alarms say when they began, rather than with which image.
    """
    if mix is None:
        return None
    standing = list(alarms)
    made = "" if mix.made_at is None else f" of {_day(mix.made_at)}"
    expired = next((alarm for alarm in standing if alarm.monitor == Monitor.CERTIFICATE), None)
    if expired is not None:
        since = f" since about {_day(expired.began)}" if dated else ""
        moved = mix_words(expired.evidence)
        text = f"The certificate{made} has expired{since}: the mix of answers has moved{f' ({moved})' if moved else ''}"
        return {"stands": False, "text": f"{text}. Certify again on images as they come now."}
    if standing:
        places = list(dict.fromkeys("all sources" if a.source is None else a.source or "unnamed" for a in standing))
        named = ", ".join(places[:SHOWN]) + (f" and {len(places) - SHOWN} more" if len(places) > SHOWN else "")
        alarm = "an alarm stands" if len(standing) == 1 else f"{len(standing)} alarms stand"
        return {"stands": False, "text": f"The certificate{made} is suspended while {alarm}, for {named}."}
    return {
        "stands": True,
        "text": f"The certificate{made} stands: the mix of answers has not moved by more than {percent(mix.margin)}.",
    }


def mix_words(evidence: Mapping[str, Any]) -> str:
    """Write the mix before and since, of the labels whose share changed most; empty where evidence has none.

    >>> mix_words({"mix": {"before": {"bear": 0.2, "fox": 0.8}, "since": {"bear": 0.7, "fox": 0.3}}})
    'bear from 20.0 % to 70.0 %, fox from 80.0 % to 30.0 %'
    """
    mix = evidence.get("mix")
    if not isinstance(mix, Mapping):
        return ""
    before, since = mix["before"], mix["since"]
    names = sorted({*before, *since}, key=lambda name: (-round(abs(since.get(name, 0) - before.get(name, 0)), 6), name))
    parts = (f"{name} from {percent(before.get(name, 0))} to {percent(since.get(name, 0))}" for name in names[:SHOWN])
    return ", ".join(parts)


def _day(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%d %b %Y").lstrip("0")
