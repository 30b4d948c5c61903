"""The model card, in the form that the Hugging Face hub reads: YAML front matter, then words."""

from __future__ import annotations

import json
import re

from .manifest import Manifest

# Identifiers that the hub knows; anything else has to be called “other” and named beside it.
HUB_LICENCES = frozenset(
    {"apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0"}
    | {"cc-by-nc-sa-4.0", "gpl-3.0", "lgpl-3.0", "agpl-3.0", "mpl-2.0", "openrail", "unknown"}
)


def render_card(manifest: Manifest) -> str:
    """Markdown with front matter."""
    m, accuracy = manifest.metrics, manifest.metrics.accuracy
    rows = "\n".join(f"| {_cell(name)} | {count} |" for name, count in manifest.data.per_class.items())
    random_split = (
        f"A random split would have claimed {m.accuracy_random_split:.1%}.\n"
        if m.accuracy_random_split is not None
        else ""
    )
    auc = f"| AUC | {m.auc:.3f} |\n" if m.auc is not None else ""
    version = manifest.versions.get("drivetrain", "?")
    error = manifest.accept.error
    accepted = f", with {error.value:.1%} errors among them ({error.low:.1%}–{error.high:.1%})" if error else ""
    return f"""---
{_front_matter(manifest)}
---

# {_cell(manifest.name)}

An image classifier with {len(manifest.classes)} classes, trained by transfer learning on {manifest.data.images} images.
Bundle `{manifest.bundle_id}`, made {_cell(manifest.created_at)} with drivetrain {_cell(version)}.

## How good it is

| figure | value |
|---|---|
| accuracy | {accuracy.value:.1%} ({accuracy.low:.1%}–{accuracy.high:.1%}) |
| balanced accuracy | {m.balanced_accuracy:.1%} |
| log-loss | {m.log_loss:.4f} |
| expected calibration error | {m.ece:.3f} |
{auc}
{_cell(m.how)}. {random_split}
Answers with a confidence of at least {manifest.accept.confidence:.2f} are marked `accept`: {manifest.accept.coverage:.1%} of
the training images{accepted}. This threshold is {"certified" if manifest.accept.certified else "a convention, not a guarantee"}.

## Training data

| class | images |
|---|---|
{rows}

{manifest.data.skipped} files could not be used. Near-duplicate groups: {manifest.data.groups_duplicates}; groups given with
the data: {manifest.data.groups_user}. No group stands on both sides of a fold.

## Limits

The figures hold for photos like those it was trained on. Of a picture of something else it still names one of its
classes; nothing in this bundle tells such pictures apart yet. Check it on photos of the place it will work in before
anybody relies on it.

## Backbone

{_cell(manifest.backbone.name)}, {_cell(manifest.backbone.licence)}. Source: {_cell(manifest.backbone.source)}.
The licence is the backbone's; what the training data allows, its owner knows.
"""


def _front_matter(manifest: Manifest) -> str:
    """YAML; every text from outside is a JSON string, which YAML reads as it is."""
    licence = manifest.backbone.licence.lower() or "unknown"
    known = licence in HUB_LICENCES
    lines = [f"license: {licence if known else 'other'}"]
    if not known:
        lines.append(f"license_name: {_quoted(manifest.backbone.licence)}")
    lines += [
        "library_name: drivetrain",
        "pipeline_tag: image-classification",
        "tags: [image-classification, onnx, drivetrain]",
        "metrics: [accuracy]",
    ]
    base = manifest.backbone.name.partition("@")[0]
    if re.fullmatch(r"[\w.-]+/[\w.-]+", base):  # the hub takes only models of its own as base
        lines.append(f"base_model: {_quoted(base)}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _cell(text: str) -> str:
    """Text that cannot break out of a table cell or start markup."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in " ".join(text.split()))
