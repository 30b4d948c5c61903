"""The model card, in the form that the Hugging Face hub reads: YAML front matter, then words."""

from __future__ import annotations

import json
import re

from ..core.visible import visible, visible_json
from .constant_answer import always_naming
from .manifest import ClassManifest, Figure, LabelManifest, Manifest, NumberManifest

# Identifiers that the hub knows; anything else has to be called “other” and named beside it.
HUB_LICENCES = frozenset(
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
    | {"cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail", "unknown"}
)


def render_card(manifest: Manifest) -> str:
    """Markdown with front matter."""
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

The figures hold for photos like those it was trained on. Of a picture of something else it still gives one of its
answers; nothing in this bundle tells such pictures apart yet. Check it on photos of the place it will work in before
anybody relies on it.

## Backbone

{_cell(manifest.backbone.name)}, {_cell(manifest.backbone.licence)}. Source: {_cell(manifest.backbone.source)}.
The licence is the backbone's; what the training data allows, its owner knows.
"""


def _what(manifest: Manifest) -> str:
    count = len(manifest.outputs)
    match manifest:
        case ClassManifest():
            return f"An image classifier with {count} classes"
        case LabelManifest():
            return f"A model that gives an image any of {count} labels"
        case NumberManifest():
            return f"A model that reads {', '.join(_cell(name) for name in manifest.outputs)} off an image"


def _figures(manifest: Manifest) -> str:
    match manifest:
        case ClassManifest(metrics=m):
            rows = [
                ("accuracy", _percents(m.accuracy)),
                *_commonest(manifest),
                ("mean recall over the classes (balanced accuracy)", f"{m.balanced_accuracy:.1%}"),
                ("log-loss (0: sure and right every time)", f"{m.log_loss:.4f}"),
                ("mean gap between confidence and accuracy (expected calibration error)", f"{m.ece:.3f}"),
                *((("AUC", f"{m.auc:.3f}"),) if m.auc is not None else ()),
            ]
        case LabelManifest(metrics=n):
            mean = n.mean_average_precision
            rows = [
                ("mean average precision", f"{mean.value:.3f} ({mean.low:.3f}–{mean.high:.3f})"),
                ("all labels right", _percents(n.exact)),
                ("log-loss a label (0: sure and right every time)", f"{n.log_loss:.4f}"),
            ]
        case NumberManifest(metrics=k):
            rows = []
            for i, name in enumerate(manifest.targets):
                error = k.mean_absolute_error[i]
                rows += [
                    (f"mean absolute error, {_cell(name)}", f"{error.value:.4g} ({error.low:.4g}–{error.high:.4g})"),
                    ("always answering the median", f"{k.baseline[i]:.4g}"),
                    ("root mean squared error", f"{k.root_mean_squared_error[i]:.4g}"),
                    ("explained variance, R²", "–" if (known := k.r_squared[i]) is None else f"{known:.3f}"),
                ]
    return "\n".join(f"| {name} | {value} |" for name, value in rows)


def _commonest(manifest: Manifest) -> list[tuple[str, str]]:
    """What always giving the same answer would achieve on the images trained on."""
    counts = manifest.data.per_class
    if not counts:
        return []
    return [(always_naming(counts, _cell), f"{max(counts.values()) / sum(counts.values()):.1%}")]


def _remarks(manifest: Manifest) -> str:
    match manifest:
        case ClassManifest(metrics=m):
            lines, random = [f"{_cell(m.how)}."], m.accuracy_random_split
            claimed = f"{random:.1%}" if random is not None else ""
        case LabelManifest(metrics=n):
            lines, random = [f"{_cell(n.how)}."], n.mean_average_precision_random_split
            claimed = f"{random:.3f}" if random is not None else ""
        case NumberManifest(metrics=k):
            widths = ", ".join(
                f"{_cell(n)} ± {w:.4g}" for n, w in zip(manifest.targets, manifest.half_widths, strict=True)
            )
            return (
                f"{_cell(k.how)}.\n"
                f"Each answer has an interval that holds the true number for about {manifest.coverage:.0%} of images "
                f"(split-conformal): {widths}.\nNo error has been named that may pass without a person, so every answer is "
                "marked `review`."
            )
    if claimed:
        lines[0] += f" A random split would have claimed {claimed}."
    accept, error = manifest.accept, manifest.accept.error
    among = f", with {error.value:.1%} errors among them ({error.low:.1%}–{error.high:.1%})" if error else ""
    lines += [
        f"Answers with a confidence of at least {accept.confidence:.2f} are marked `accept`: {accept.coverage:.1%} of",
        f"the training images{among}. This threshold is {'certified' if accept.certified else 'a convention, not a guarantee'}.",
    ]
    return "\n".join(lines)


def _counts(manifest: Manifest) -> str:
    if not manifest.data.per_class:
        return ""
    rows = "\n".join(f"| {_cell(name)} | {count} |" for name, count in manifest.data.per_class.items())
    return f"| {'label' if isinstance(manifest, LabelManifest) else 'class'} | images |\n|---|---|\n{rows}\n\n"


def _percents(figure: Figure) -> str:
    return f"{figure.value:.1%} ({figure.low:.1%}–{figure.high:.1%})"


def _front_matter(manifest: Manifest) -> str:
    """YAML; every text from outside is a JSON string, which YAML reads as it is."""
    tag, metric = {
        "classification": ("image-classification", "accuracy"),
        "multi-label": ("multi-label-image-classification", "mean_average_precision"),
        "regression": ("image-regression", "mae"),
    }[manifest.task]
    licence = manifest.backbone.licence.lower() or "unknown"
    known = licence in HUB_LICENCES
    lines = [f"license: {licence if known else 'other'}"]
    if not known:
        lines.append(f"license_name: {_quoted(manifest.backbone.licence)}")
    lines += [
        "library_name: drivetrain",
        "pipeline_tag: image-classification",  # the hub has none for labels or numbers of an image
        f"tags: [{tag}, onnx, drivetrain]",
        f"metrics: [{metric}]",
    ]
    base = manifest.backbone.name.partition("@")[0]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", base):  # the hub takes only models of its own as base
        lines.append(f"base_model: {_quoted(base)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return visible_json(json.dumps(text, ensure_ascii=False))


def _cell(text: str) -> str:
    """Text that cannot break out of a table cell or start markup."""
    return visible("".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in " ".join(text.split())))
