"""The model card, in the form that the Hugging Face hub reads: YAML front matter, then words."""

from __future__ import annotations

import json

from .manifest import Manifest


def render_card(manifest: Manifest) -> str:
    """Markdown with front matter."""
    m, accuracy = manifest.metrics, manifest.metrics.accuracy
    licence = manifest.backbone.licence.lower() if manifest.backbone.licence else "unknown"
    rows = "\n".join(f"| {_cell(name)} | {count} |" for name, count in manifest.data.per_class.items())
    random_split = (
        f"A random split would have claimed {m.accuracy_random_split:.1%}.\n"
        if m.accuracy_random_split is not None
        else ""
    )
    auc = f"| AUC | {m.auc:.3f} |\n" if m.auc is not None else ""
    error = manifest.accept.error
    accepted = f", with {error.value:.1%} errors among them ({error.low:.1%}–{error.high:.1%})" if error else ""
    return f"""---
license: {json.dumps(licence)}
library_name: drivetrain
pipeline_tag: image-classification
tags: [image-classification, onnx, drivetrain]
base_model: {json.dumps(manifest.backbone.name)}
metrics: [accuracy]
---

# {_cell(manifest.name)}

An image classifier with {len(manifest.classes)} classes, trained by transfer learning on {manifest.data.images} images.
Bundle `{manifest.bundle_id}`, made {manifest.created_at} with drivetrain {manifest.versions.get("drivetrain", "?")}.

## How good it is

| figure | value |
|---|---|
| accuracy | {accuracy.value:.1%} ({accuracy.low:.1%}–{accuracy.high:.1%}) |
| balanced accuracy | {m.balanced_accuracy:.1%} |
| log-loss | {m.log_loss:.4f} |
| expected calibration error | {m.ece:.3f} |
{auc}
{m.how}. {random_split}
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

{manifest.backbone.name}, {manifest.backbone.licence}. Source: {manifest.backbone.source}.
"""


def _cell(text: str) -> str:
    """Text that cannot break out of a table cell or start markup."""
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in " ".join(text.split()))
