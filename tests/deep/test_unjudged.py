"""A learner's answers before anything was judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from drivetrain import vision
from drivetrain.core.types import Verdict


def test_an_answer_that_nobody_judged_is_for_a_person_and_says_why(tmp_path: Path) -> None:
    for name, colour in (("blue", (0, 0, 200)), ("red", (200, 0, 0))):
        (tmp_path / name).mkdir()
        for shade in range(3):
            Image.new("RGB", (40, 40), tuple(np.add(colour, 9 * shade))).save(tmp_path / name / f"{shade}.png")
    block = vision.DataBlock(
        blocks=(vision.ImageBlock, vision.CategoryBlock),
        get_items=vision.get_image_files,
        splitter=vision.RandomSplitter(valid_pct=0.34, seed=1),
        get_y=vision.parent_label,
        item_tfms=vision.Resize(32),
    )
    learn = vision.vision_learner(block.dataloaders(tmp_path, bs=2), head="fresh")
    answer = learn.predict(tmp_path / "red" / "0.png")
    assert (answer.verdict, answer.path) == (Verdict.REVIEW, str(tmp_path / "red" / "0.png"))
    assert [reason.code for reason in answer.reasons] == ["no-accept-rule"]
    assert answer.label == max(answer.probs, key=answer.probs.__getitem__)
