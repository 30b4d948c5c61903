"""The section of a report on what a certification found and changed, put into the report of the bundle that was certified."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from ..certification.certified import Certified, mix_words
from ..core.visible import visible
from ..draw.numbers import percent, unbroken, whole_percent
from ..draw.risk_coverage_plot import risk_coverage_plot

_AFTER = "</header>"


def with_certificate(page: str, certified: Certified) -> str:
    """Return the report with the section behind its head; where there is no such page, the section is one by itself."""
    section = _section(certified)
    before, head, after = page.partition(_AFTER)
    if not head:
        title = escape(certified.after.name)
        return f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>\n{section}</html>\n'
    # A bundle may be certified more than once; the last certificate stands first.
    return f"{before}{head}\n{section}{after}"


def _section(certified: Certified) -> str:
    bound, made = certified.bound, certified.certificate
    title = "What is certified" if certified.certified else "What cannot be certified"
    least = certified.accept.confidence
    point = certified.independent.at(least) if least is not None else None
    svg = risk_coverage_plot(certified.independent.curve(bound.level), point, bound.max_error)
    stands = (
        f"Class mix of the fresh images: {mix_words(made.mix)}. The certificate stands while the mix of what comes in differs "
        f"from it by at most {whole_percent(made.tolerance)} of the cases."
    )
    parts = [
        f'<section aria-labelledby="certificate-{certified.after.bundle_id}">',
        f'<h2 id="certificate-{certified.after.bundle_id}">{title}</h2>',
        _table(("", ""), certified.lines()),
        f'<figure class="drawing">{svg}</figure>',
        f'<p class="note">{_text(stands)}</p>',
        "<h3>What changed</h3>",
        _table(("", "before", "now"), certified.changes()),
    ]
    if made.slices:
        rows = (
            (
                one.slice,
                "yes" if one.certified else "no",
                str(one.independent),
                str(one.accepted),
                str(one.wrong),
                percent(one.error_upper),
            )
            for one in made.slices
        )
        how = "jointly" if made.jointly else "each"
        head = ("slice", f"certified ({how})", "independent", "accepted", "wrong", "upper limit of the error")
        parts.append(_table(head, rows))
    return "\n".join([*parts, "</section>\n"])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    titles = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in head)
    body = "\n".join("<tr>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{titles}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def _text(text: str) -> str:
    return visible(escape(unbroken(text)))
