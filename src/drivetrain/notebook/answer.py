"""One image's answer for people, as HTML: the label or numbers, how sure they are, and what to do with them.

For notebooks and for pages that others build. No scripts and no style sheet, so it looks the same wherever it is put;
colours are see-through or bring their own ground, for light and dark pages alike.
"""

from __future__ import annotations

from html import escape

from ..core.types import Prediction, Verdict
from ..draw.numbers import nearly, reading
from ..model.kinds.kind import few
from ..model.manifest import Manifest
from ..model.policy import Policy

# The most rows shown: of more classes than this, only the likeliest have one.
ROWS = 8

NONE = "None of the labels"

# By verdict: ground and letters with a contrast of at least 7:1, and a sign for readers who see no colours.
_CHIPS = {
    Verdict.ACCEPT: ("✓", "#d1fae5", "#064e3b"),
    Verdict.REVIEW: ("!", "#fef3c7", "#713f12"),
    Verdict.OUT_OF_DOMAIN: ("?", "#ede9fe", "#4c1d95"),
    Verdict.UNREADABLE: ("✕", "#fee2e2", "#7f1d1d"),
}
SUGGESTED = (Verdict.REVIEW, Verdict.OUT_OF_DOMAIN)
"""The verdicts with which an answer is a suggestion at most."""

_MUTED = "line-height:1.4;opacity:.75"

# Fillings of a bar: one colour where the answer stands, hatched where it is a suggestion.
_FULL = "#3b82f6"
_HATCHED = "repeating-linear-gradient(135deg,#3b82f6 0 4px,#3b82f655 4px 7px)"


def answer_html(prediction: Prediction, manifest: Manifest) -> str:
    """Show the answer, its probabilities or numbers, and the verdict in words; an answer that needs a person is no headline."""
    sign, ground, letters = _CHIPS[prediction.verdict]
    chip = (
        f'<p class="verdict" data-verdict="{prediction.verdict}" style="margin:.8em 0 0;padding:.5em .8em;border-radius:.4em;'
        f'background:{ground};color:{letters}">{sign} {escape(verdict_words(prediction, manifest))}</p>'
    )
    if prediction.verdict is Verdict.UNREADABLE:
        return f'<div class="answer">{_heading("No answer")}{chip}</div>'
    body = (_bars(prediction, manifest) if prediction.probs else "") + (
        _numbers(prediction) if prediction.values else ""
    )
    if prediction.verdict in SUGGESTED:
        return f'<div class="answer">{_suggestion(prediction, manifest)}{chip}{body}</div>'
    return f'<div class="answer">{_heading(label_words(prediction, manifest))}{body}{chip}</div>'


def label_words(prediction: Prediction, manifest: Manifest) -> str:
    """Say the answer in a few words: a label, several, or the numbers."""
    return manifest.kind.answer_text(prediction, none=NONE)


def suggestion_words(prediction: Prediction, manifest: Manifest) -> str:
    """Say an answer as the suggestion that it is before a person looks: “maybe grizzly · a person should look”."""
    words = label_words(prediction, manifest)
    return f"maybe {words.lower() if words is NONE else words} · a person should look"


def verdict_words(prediction: Prediction, manifest: Manifest) -> str:
    """Say what to do with the answer, and why."""
    if prediction.verdict is Verdict.UNREADABLE:
        return f"This file cannot be read as a picture ({prediction.error or 'unknown reason'}). Try another one."
    if prediction.verdict is Verdict.ACCEPT:
        which = Policy.of(manifest).lets.which
        sure = f"{nearly(prediction.confidence)} sure, and " if manifest.kind.has_confidence else ""
        return f"Accept: {sure}answers {which} may stand without a person."
    why, held = "; ".join(reason.words for reason in prediction.reasons), manifest.kind.held
    if prediction.verdict is Verdict.OUT_OF_DOMAIN:
        return f"Out of domain: the answer says nothing, and a person should look. {why[:1].upper()}{why[1:]}."
    return f"Review: a person should look, since {why}.{held and f' {held}'}"


def task_words(manifest: Manifest) -> str:
    """Write a heading and one sentence about what a model does, as HTML."""
    what = manifest.kind.words.asks.format(names=escape(few(manifest.outputs)))
    return (
        f'<h1 style="margin:0 0 .2em;font-size:1.6em;line-height:1.25">{escape(manifest.name)}</h1>'
        f'<p style="margin:0 0 .6em;{_MUTED}">{what}</p>'
    )


def hint_html(text: str) -> str:
    """Write a remark in the place of an answer that is still to come, or is missing."""
    return f'<p role="status" style="margin:.4em 0;{_MUTED}">{escape(text)}</p>'


def _heading(text: str) -> str:
    return f'<h2 class="label" style="margin:0 0 .5em;font-size:1.35em;line-height:1.3">{escape(text)}</h2>'


def _suggestion(prediction: Prediction, manifest: Manifest) -> str:
    return (
        '<p class="label suggestion" style="margin:0 0 .5em;font-size:1.1em;font-style:italic;line-height:1.3">'
        f"{escape(suggestion_words(prediction, manifest))}</p>"
    )


def _bars(prediction: Prediction, manifest: Manifest) -> str:
    """Draw the probabilities, the likeliest first; for a model of labels with a mark at each label's threshold."""
    ranked = sorted(prediction.probs.items(), key=lambda entry: -entry[1])
    given_from = manifest.kind.marks()
    ink = _HATCHED if prediction.verdict in SUGGESTED else _FULL
    rows = "".join(_bar(name, p, given_from.get(name), ink) for name, p in ranked[:ROWS])
    rest = ranked[ROWS:]
    more = f"<div style='{_MUTED}'>{len(rest)} more, each at most {escape(nearly(rest[0][1]))}</div>" if rest else ""
    marks = f"<div style='font-size:.9em;{_MUTED}'>The mark on a bar: from there on the label is given.</div>"
    return f'<div class="probabilities">{rows}{more}{marks if given_from else ""}</div>'


def _bar(name: str, p: float, given_from: float | None, ink: str) -> str:
    mark = ""
    if given_from is not None:
        mark = (
            f'<span style="position:absolute;left:{100 * given_from:.1f}%;top:-.15em;bottom:-.15em;width:2px;'
            'background:currentColor"></span>'
        )
    return (
        '<div style="display:grid;grid-template-columns:minmax(5em,32%) 1fr 4.8em;gap:.7em;align-items:center;margin:.3em 0">'
        f'<span style="overflow-wrap:anywhere">{escape(name)}</span>'
        '<span aria-hidden="true" style="position:relative;height:.7em;border-radius:.35em;background:#8884">'
        f'<span style="display:block;width:{100 * p:.1f}%;height:100%;border-radius:.35em;background:{ink}"></span>{mark}'
        '</span><span style="text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums">'
        f"{escape(nearly(p))}</span></div>"
    )


def _numbers(prediction: Prediction) -> str:
    """Write each number with the range that the true one probably lies in."""
    cell = "padding:.25em .9em .25em 0;text-align:left;border:0;background:none"
    rows = "".join(
        f'<tr style="border:0;background:none"><th scope="row" style="{cell};font-weight:normal">{escape(name)}</th>'
        f'<td style="{cell}">{reading(value.value)}</td>'
        f'<td style="{cell}">{reading(value.low)} to {reading(value.high)}</td></tr>'
        for name, value in prediction.values.items()
    )
    head = "".join(f'<th scope="col" style="{cell}">{title}</th>' for title in ("Number", "Answer", "Range"))
    return (
        '<table style="border:0;border-collapse:collapse;font-variant-numeric:tabular-nums;background:none">'
        f'<thead><tr style="border:0;background:none">{head}</tr></thead><tbody>{rows}</tbody></table>'
    )
