"""The model card, in the form that the Hugging Face hub reads: YAML front matter, then words."""

from __future__ import annotations

import json
import re

from ..core.visible import visible, visible_json
from ..draw.numbers import between, nearly, percent
from .accept_words import cannot, known
from .figure_words import hows, named, with_limits
from .gate_words import gate_limits
from .manifest import Manifest
from .policy import Policy

# Licences that the hub knows; any other has to be called “other” and named beside it.
HUB_LICENCES = frozenset(
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
    | {"cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail", "unknown"}
)


def render_card(manifest: Manifest) -> str:
    """Write the card as Markdown with front matter."""
    version = manifest.versions.get("drivetrain", "?")
    data, tuned = manifest.data, manifest.training.fine_tuning
    trained = f"by transfer learning on {data.images} images"
    if tuned is not None:
        trained = f"by fine-tuning ({_cell(tuned.trained)}, {tuned.epochs} epochs) on {tuned.images} images"
    return f"""---
{_front_matter(manifest)}
---

# {_cell(manifest.name)}

{_what(manifest)}, trained {trained}.
Bundle `{manifest.bundle_id}`, made {_cell(manifest.created_at)} with drivetrain {_cell(version)}.

## How good it is

| figure | value |
|---|---|
{_figures(manifest)}

{_remarks(manifest)}

## Training data

{_counts(manifest)}{data.skipped} files could not be used. Near-duplicate groups: {data.groups_duplicates}; groups given with
the data: {data.groups_user}. No group stands on both sides of a fold.

## Limits

The figures hold for {manifest.input.nouns} like those it was trained on. {gate_limits(manifest)}
{manifest.input.limits}

## Backbone

{_cell(manifest.backbone.name)}, {_cell(manifest.backbone.licence)}. Source: {_cell(manifest.backbone.source)}.
The licence is the backbone's; what the training data allows, its owner knows.
"""


def _what(manifest: Manifest) -> str:
    names = ", ".join(_cell(name) for name in manifest.outputs)
    return manifest.kind.words.model.format(names=names, count=len(manifest.outputs))


def _figures(manifest: Manifest) -> str:
    rows = [
        (f"{_cell(named(figure))}{f' ({_cell(figure.note)})' if figure.note else ''}", _cell(with_limits(figure)))
        for figure in manifest.rows
    ]
    guessed = manifest.kind.guessed(manifest.rows, manifest.data.per_class, _cell)
    if guessed is not None:
        rows[1:1] = [(guessed[0], percent(guessed[1]))]
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def _remarks(manifest: Manifest) -> str:
    lines = [f"{_cell(how)}." for how in hows(manifest.rows)]
    if remark := manifest.kind.remark(_cell):
        lines.append(remark)
    return "\n".join([*lines, *_accepting(manifest), *_gate_tried(manifest)])


def _accepting(manifest: Manifest) -> list[str]:
    """Say which answers stand without a person, and on what the error among them rests."""
    accept = manifest.accept
    if accept is None or (accept.confidence is None and accept.width is None):
        why = "No error has been named that may pass without a person"
        if accept is not None and accept.bound is not None:
            words = cannot(accept)
            why = f"{words[:1].upper()}{words[1:]}"
        return [f"{why}, so every answer is marked `review`."]
    error, others = accept.error, Policy.of(manifest).besides_confidence
    among = f", with {percent(error.value)} errors among them ({between(error.low, error.high)})" if error else ""
    from_ = f"intervals of at most ± {accept.width:g}" if accept.width is not None else ""
    if accept.confidence is not None:
        from_ = f"a confidence of at least {_threshold(accept.confidence)}"
    images = "fresh images" if accept.basis == "certificate" else "training images"
    return [
        f"Answers with {from_}{others} are marked `accept`: {percent(accept.coverage)} of",
        f"the {images}{among}. What is known of the error: {known(accept)}.",
    ]


def _gate_tried(manifest: Manifest) -> list[str]:
    """Say in a line how much the gate refuses of sets made by machine."""
    if manifest.gate is None or not manifest.gate.tried:
        return []
    shares = "; ".join(f"{_cell(one.name)} {nearly(one.refused)}" for one in manifest.gate.tried)
    return [f"Of sets made by machine the gate refuses: {shares}; no promise for whatever comes."]


def _threshold(confidence: float) -> str:
    """Write a confidence with two places, or as many as it has."""
    short = f"{confidence:.2f}"
    return short if float(short) == confidence else f"{confidence:.9g}"


def _counts(manifest: Manifest) -> str:
    if not manifest.data.per_class:
        return ""
    rows = "\n".join(f"| {_cell(name)} | {count} |" for name, count in manifest.data.per_class.items())
    return f"| {manifest.kind.words.output} | images |\n|---|---|\n{rows}\n\n"


def _front_matter(manifest: Manifest) -> str:
    """Write the YAML; every text from outside is a JSON string, which YAML reads as it is."""
    words = manifest.kind.words
    licence = manifest.backbone.licence.lower() or "unknown"
    known = licence in HUB_LICENCES
    lines = [f"license: {licence if known else 'other'}"]
    if not known:
        lines.append(f"license_name: {_quoted(manifest.backbone.licence)}")
    lines += [
        "library_name: drivetrain",
        "pipeline_tag: image-classification",  # the hub has none for labels or numbers of an image
        f"tags: [{words.hub_tag}, onnx, drivetrain]",
        f"metrics: [{words.hub_metric}]",
    ]
    base = manifest.backbone.name.partition("@")[0]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", base):  # the hub takes only models of its own as base
        lines.append(f"base_model: {_quoted(base)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return visible_json(json.dumps(text, ensure_ascii=False))


def _cell(text: str) -> str:
    """Quote text, so that it cannot break out of a table cell or start markup."""
    return visible("".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in " ".join(text.split())))
