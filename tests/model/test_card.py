"""The model card: front matter that the hub reads, figures that are the manifest's, text that cannot break out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from drivetrain.model.card import render_card
from drivetrain.model.figure_row import rows_of
from drivetrain.model.figure_words import with_limits
from drivetrain.model.kinds.old_figures import row
from drivetrain.model.manifest import Manifest, parse_manifest


@pytest.fixture
def manifest(kept: Path) -> Manifest:
    """The kept bundle's manifest."""
    return parse_manifest((kept / "manifest.json").read_bytes())


def front_matter(card: str) -> dict[str, str]:
    """The lines between the first two rulers, as written."""
    lines = card.split("---\n")[1].splitlines()
    return dict(line.split(": ", 1) for line in lines)


def changed(manifest: Manifest, part: str, **changes: Any) -> Manifest:
    return manifest.model_copy(update={part: getattr(manifest, part).model_copy(update=changes)})


def test_a_trained_bundle_carries_a_card_with_its_own_figures(trained: Path) -> None:
    card = (trained / "card.md").read_text(encoding="utf-8")
    manifest = parse_manifest((trained / "manifest.json").read_bytes())
    assert card == render_card(manifest)
    for figure in manifest.rows:
        assert f" | {' '.join(with_limits(figure).split())} |" in card
    accuracy = manifest.kind.metrics(manifest.rows)["accuracy"]
    value, low, high = (f"{100 * accuracy[part]:.1f} %" for part in ("value", "low", "high"))
    line = next(line for line in card.splitlines() if line.startswith("| accuracy"))
    assert line.endswith(f" | {value} ({low} to {high}) |")
    assert manifest.bundle_id in card
    for name, count in manifest.data.per_class.items():
        assert f"| {name} | {count} |" in card
    assert "a stated convention, which promises nothing" in card


def test_front_matter_names_what_the_hub_asks_for(manifest: Manifest) -> None:
    fields = front_matter(render_card(manifest))
    assert fields["license"] == "apache-2.0"
    assert fields["pipeline_tag"] == "image-classification"
    assert fields["library_name"] == "drivetrain"
    assert "base_model" not in fields, "a packaged backbone has no page on the hub"


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", {"license": "mit"}),
        ("unknown", {"license": "unknown"}),
        ("", {"license": "unknown"}),
        ("Our own: ask “Bär”", {"license": "other", "license_name": '"Our own: ask “Bär”"'}),
        ("x\nlicense: mit", {"license": "other", "license_name": '"x\\nlicense: mit"'}),
    ],
)
def test_licences_the_hub_does_not_know_are_called_other(
    manifest: Manifest, licence: str, expected: dict[str, str]
) -> None:
    fields = front_matter(render_card(changed(manifest, "backbone", licence=licence)))
    assert {key: fields.get(key) for key in expected} == expected


def test_a_backbone_from_the_hub_is_the_base_model(manifest: Manifest) -> None:
    fields = front_matter(render_card(changed(manifest, "backbone", name="timm/resnet50.a1_in1k@main")))
    assert fields["base_model"] == '"timm/resnet50.a1_in1k"'


def test_names_cannot_start_markup_or_break_a_table(manifest: Manifest) -> None:
    nasty = "a|b\n# <script>x</script> [l](http://x) `c` *d*"
    card = render_card(
        changed(manifest, "data", per_class={nasty: 3}).model_copy(
            update={"name": nasty, "versions": {"drivetrain": nasty}}
        )
    )
    assert nasty not in card
    assert "<script>" not in re.sub(r"\\<", "", card)
    row = next(line for line in card.splitlines() if line.endswith("| 3 |"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 3
    assert card.count("\n# ") == 1


def test_absent_figures_leave_no_trace(manifest: Manifest) -> None:
    rows = tuple(row for row in manifest.figures if row.slug != "accuracy-random-split")
    bare = changed(manifest.model_copy(update={"figures": rows}), "accept", error=None, coverage=0.0)
    card = render_card(bare)
    for word in ("ROC", "random split", "None", "nan", "errors among them"):
        assert word not in card
    auc = row("auc", "area under the ROC curve", 0.875, "decimals", "higher", "out of fold")
    assert "| area under the ROC curve | 0.875 |" in render_card(
        manifest.model_copy(update={"figures": (*rows, *rows_of([auc]))})
    )
