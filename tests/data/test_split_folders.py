"""Split folders by whatever name: what is taken for a split, what stays a class, what is said of it, and how to say otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from drivetrain.core.errors import SourceError, UsageError
from drivetrain.core.types import Dataset
from drivetrain.data.sources.opening import open_source
from drivetrain.data.sources.splits import named, read_splits, split_value


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    return root


def two_classes(root: Path, *splits: str) -> Path:
    """Cats and dogs below each of the folders."""
    return put(
        root, *(f"{split}/{kind}/{number}.jpg" for split in splits for kind in ("cat", "dog") for number in (1, 2))
    )


def read(dataset: Dataset) -> dict[str, set[tuple[str | None, str | None]]]:
    """Top folder → (label, split) of what lies there."""
    found: dict[str, set[tuple[str | None, str | None]]] = {}
    for item in dataset.items:
        found.setdefault(item.name.partition("/")[0], set()).add((item.label, item.split))
    return found


def as_split(split: str | None) -> set[tuple[str | None, str | None]]:
    return {("cat", split), ("dog", split)}


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("training", "testing"),
        ("training_set", "test_set"),
        ("TrainingSet", "TestSet"),
        ("trainset", "testset"),
        ("train_images", "test_images"),
        ("bears_train", "bears_test"),
        ("train-2019", "test-2019"),
        ("Train Data", "Eval Data"),
        ("train", "evaluation"),
        ("train", "holdout"),
        ("train", "hold-out"),
        ("my_train_v2", "my_holdout_v2"),
        ("trn", "tst"),
        ("training", "Evaluation"),
        ("train", "test_split"),
    ],
)
def test_folders_called_like_splits_are_splits(tmp_path: Path, train: str, test: str) -> None:
    dataset = open_source(two_classes(tmp_path, train, test))
    assert read(dataset) == {train: as_split("train"), test: as_split("test")}
    (note,) = dataset.notes
    assert note.startswith(f"took {min(train, test)} as ")
    assert "because the same class folders (2) stand under each; say otherwise with --splits none, or --splits " in note


def test_the_plain_names_need_no_remark(tmp_path: Path) -> None:
    dataset = open_source(two_classes(tmp_path, "train", "val", "test"))
    assert read(dataset) == {"train": as_split("train"), "val": as_split("valid"), "test": as_split("test")}
    assert dataset.notes == ()


def test_a_plain_name_that_may_be_a_class_is_remarked_on(tmp_path: Path) -> None:
    dataset = open_source(two_classes(tmp_path, "train", "Dev"))
    assert read(dataset) == {"train": as_split("train"), "Dev": as_split("valid")}
    assert dataset.notes == (
        (
            "took Dev as valid and train as train, because the same class folders (2) stand under each; say otherwise with "
            "--splits none, or --splits Dev=valid,train=train"
        ),
    )
    other = open_source(
        put(tmp_path / "other", "train/cat/1.jpg", "train/dog/1.jpg", "dev/2020/1.jpg", "dev/2021/1.jpg")
    )
    assert read(other) == {"train": as_split("train"), "dev": {("2020", "valid"), ("2021", "valid")}}
    assert "because their names say so, although different class folders stand under them" in other.notes[0]
    alone = open_source(put(tmp_path / "alone", "dev/cat/1.jpg"))
    assert "took dev as valid, because its name says so and 1 class folder stands under it" in alone.notes[0]


@pytest.mark.parametrize("valid", ["dev", "development", "my_val", "valid_set", "validation-data"])
def test_three_splits(tmp_path: Path, valid: str) -> None:
    prefix = "my_" if valid.startswith("my_") else ""
    dataset = open_source(two_classes(tmp_path, f"{prefix}training", valid, f"{prefix}testing"))
    assert read(dataset)[valid] == as_split("valid")
    assert len(read(dataset)) == 3


def test_nested_folders_are_passed_through_and_those_without_classes_left_out(tmp_path: Path) -> None:
    """As Kaggle packs them: seg_train/seg_train/<class>, and seg_pred/seg_pred with pictures alone."""
    put(tmp_path, *(f"seg_{s}/seg_{s}/{kind}/1.jpg" for s in ("train", "test") for kind in ("sea", "street", "forest")))
    put(tmp_path, "seg_pred/seg_pred/5.jpg", "seg_pred/seg_pred/6.jpg")
    dataset = open_source(tmp_path)
    assert dataset.classes == ("forest", "sea", "street")
    assert {(item.name.partition("/")[0], item.split) for item in dataset.items} == {
        ("seg_train", "train"),
        ("seg_test", "test"),
    }
    assert [(one.name, one.reason) for one in dataset.skipped] == [
        ("seg_pred/seg_pred/5.jpg", "no label"),
        ("seg_pred/seg_pred/6.jpg", "no label"),
    ]
    assert dataset.notes[0] == (
        "took seg_test as test and seg_train as train, because the same class folders (3) stand under each; say otherwise with "
        "--splits none, or --splits seg_test=test,seg_train=train"
    )
    assert dataset.notes[1] == "left out seg_pred, which has no class folders and stands beside splits"


@pytest.mark.parametrize(
    "above", ["", "data/", "chest_xray/chest_xray/", "archive/The Bears/", "train_and_test/"], ids=lambda a: a or "top"
)
@pytest.mark.parametrize("inner", ["", "images/", "train/"], ids=lambda a: a or "plain")
def test_single_folders_above_and_below_are_passed_through(tmp_path: Path, above: str, inner: str) -> None:
    below = {"train": inner, "test": inner.replace("train", "test")}
    two_classes(tmp_path, *(f"{above}{split}/{inside}".rstrip("/") for split, inside in below.items()))
    dataset = open_source(tmp_path)
    assert {(item.label, item.split) for item in dataset.items} == as_split("train") | as_split("test")


def test_an_unlabelled_split_beside_a_labelled_one_is_left_out(tmp_path: Path) -> None:
    dataset = open_source(put(two_classes(tmp_path, "training_set"), "test_set/1.jpg"))
    assert read(dataset) == {"training_set": as_split("train")}
    assert [(one.name, one.reason) for one in dataset.skipped] == [("test_set/1.jpg", "no label")]
    assert any("left out test_set" in note for note in dataset.notes)


def test_a_split_alone(tmp_path: Path) -> None:
    """A part of a data set, as an evaluation is given it."""
    dataset = open_source(two_classes(tmp_path, "testing"))
    assert read(dataset) == {"testing": as_split("test")}
    assert "because its name says so and 2 class folders stand under it" in dataset.notes[0]


def test_mostly_the_same_classes_are_enough(tmp_path: Path) -> None:
    put(tmp_path, *(f"training/{kind}/1.jpg" for kind in "abcdef"), *(f"testing/{kind}/1.jpg" for kind in "abcx"))
    dataset = open_source(tmp_path)
    assert dataset.classes == tuple("abcdefx")
    assert "mostly the same class folders (3)" in dataset.notes[0]


# What stays a class


def test_trains_and_planes(tmp_path: Path) -> None:
    dataset = open_source(put(tmp_path, "train/1.jpg", "plane/2.jpg"))
    assert read(dataset) == {"train": {("train", None)}, "plane": {("plane", None)}}
    assert dataset.notes == ()


@pytest.mark.parametrize(
    "folders",
    [
        ("steam_train", "crash_test"),
        ("training", "running"),
        ("trainer", "tester"),
        ("trains", "tests"),
        ("untested", "tested"),
        ("val_di_fassa", "val_gardena"),
        ("train_1", "train_2"),
        ("constraint", "protest"),
        ("invalid", "valid"),
        ("set_a", "set_b"),
        ("evaluator", "developer"),
    ],
)
def test_classes_that_only_sound_like_splits(tmp_path: Path, folders: tuple[str, str]) -> None:
    put(tmp_path, *(f"{folder}/{number}.jpg" for folder in folders for number in (1, 2)))
    assert open_source(tmp_path).classes == tuple(sorted(folders))


def test_other_class_folders_below_make_no_splits_and_that_is_said(tmp_path: Path) -> None:
    dataset = open_source(put(tmp_path, "training/a/1.jpg", "training/b/1.jpg", "testing/c/1.jpg", "testing/d/1.jpg"))
    assert dataset.classes == ("testing", "training")
    assert dataset.notes == (
        (
            "took testing, training for classes, although they are named like splits, since different folders stand under them; "
            "say otherwise with --splits testing=test,training=train"
        ),
    )


def test_two_data_sets_with_splits_each_are_not_decided(tmp_path: Path) -> None:
    dataset = open_source(two_classes(tmp_path, "a_train", "a_test", "b_train", "b_test"))
    assert {item.split for item in dataset.items} == {None}
    (note,) = dataset.notes
    assert "a_test, a_train, b_test, b_train for classes, although they are named like splits" in note
    domains = open_source(put(tmp_path / "cyclegan", "trainA/1.jpg", "trainB/1.jpg", "testA/1.jpg", "testB/1.jpg"))
    assert domains.classes == ("testA", "testB", "trainA", "trainB")
    assert "not clear which of them belong together" in domains.notes[0]


def test_portions_with_the_same_folders_are_pointed_out(tmp_path: Path) -> None:
    dataset = open_source(two_classes(tmp_path, "batch0", "batch1"))
    assert dataset.classes == ("batch0", "batch1")
    assert "although the same folders (cat, dog) stand under each" in dataset.notes[0]


def test_splits_without_any_class_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "training/1.jpg", "testing/2.jpg")
    with pytest.raises(SourceError, match=r"found 2 image files directly in testing, training .* and no class folders"):
        open_source(tmp_path)
    assert open_source(tmp_path, splits="none").classes == ("testing", "training")


def test_a_class_beside_splits_is_refused(tmp_path: Path) -> None:
    put(two_classes(tmp_path, "training", "testing"), "cat/1.jpg")
    with pytest.raises(
        SourceError, match=r"\(cat\) beside the split folders testing, training in .* say --splits none"
    ):
        open_source(tmp_path)


# Saying otherwise


def test_none_takes_no_folder_for_a_split(tmp_path: Path) -> None:
    two_classes(tmp_path, "train", "test")
    dataset = open_source(tmp_path, splits="none")
    assert read(dataset) == {"train": {("train", None)}, "test": {("test", None)}}
    assert dataset.notes == ()


def test_splits_by_name(tmp_path: Path) -> None:
    two_classes(tmp_path, "north/2019", "north/2020", "south/2020")
    dataset = open_source(tmp_path, splits="north/2019=train, SOUTH = validation")
    assert {(item.name.rpartition("/")[0], item.label, item.split) for item in dataset.items} == {
        *((f"north/2019/{kind}", kind, "train") for kind in ("cat", "dog")),
        *((f"south/2020/{kind}", "2020", "valid") for kind in ("cat", "dog")),
    }
    assert dataset.notes == ("left out north/2020, which --splits does not name",)
    assert {one.reason for one in dataset.skipped} == {"no label"}


@pytest.mark.parametrize(
    ("said", "match"),
    [
        ("elsewhere=train", r"names 'elsewhere', which is no folder of .*; there are north, south"),
        ("2020=test", r"names '2020', which is several folders of .*, north/2020, south/2020; write its path"),
    ],
)
def test_a_folder_that_is_not_there(tmp_path: Path, said: str, match: str) -> None:
    two_classes(tmp_path, "north/2020", "south/2020")
    with pytest.raises(SourceError, match=match):
        open_source(tmp_path, splits=said)


@pytest.mark.parametrize("said", ["", "train", "a=", "=train", "a=b", "a=train,b", "a=train,a=test"])
def test_what_says_nothing_is_refused(said: str) -> None:
    with pytest.raises(UsageError, match=r"splits \(--splits\)"):
        read_splits(said)


def test_names_and_values() -> None:
    assert named("train_val") is None, "two splits in one name"
    assert named("FooTrainBar") == ("train", frozenset({"foo", "bar"}))
    assert [split_value(text) for text in ("PublicTest", "Training", "DEV", "fold 3", "0", "", "other")] == [
        "test",
        "train",
        "valid",
        *[None] * 4,
    ]


def test_without_labels_splits_do_not_matter(tmp_path: Path) -> None:
    dataset = open_source(two_classes(tmp_path, "seg_train/seg_train", "seg_test"), labelled=False)
    assert {(item.label, item.split) for item in dataset.items} == {(None, None)}
    assert dataset.notes == ()


def test_pictures_below_a_folder_of_images_have_no_classes(tmp_path: Path) -> None:
    """As detectors have them: images/train, images/val, and texts beside."""
    put(tmp_path, "images/train/1.jpg", "images/val/2.jpg")
    with pytest.raises(SourceError, match="and no class folders"):
        open_source(tmp_path)


def test_splits_within_classes_are_pointed_out(tmp_path: Path) -> None:
    put(tmp_path, *(f"{kind}/{split}/1.jpg" for kind in ("cat", "dog") for split in ("train", "test")))
    dataset = open_source(tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert [doubt.code for doubt in dataset.doubts] == ["unused-split"]
    assert "(test, train) stand within the class folders" in dataset.doubts[0].sentence
    assert open_source(put(tmp_path, "cat/2.jpg")).doubts == ()


def test_doubled_data_are_refused_with_a_way_out(tmp_path: Path) -> None:
    """As an X-ray data set is packed: once, and once more within itself."""
    two_classes(tmp_path, "x/train", "x/test", "x/x/train", "x/x/test")
    with pytest.raises(
        SourceError, match=r"\(x/x\) beside the split folders .* or --splits x/test=test,x/train=train to leave"
    ):
        open_source(tmp_path)
    dataset = open_source(tmp_path, splits="x/test=test,x/train=train")
    assert len(dataset.items) == 8
    assert dataset.notes == ("left out x/x, which --splits does not name",)


def test_a_class_in_a_folder_of_its_own_is_no_split(tmp_path: Path) -> None:
    """An evaluation may be of one class, whatever its folders are called."""
    put(tmp_path, *(f"black/{split}/site/1.jpg" for split in ("train", "test")))
    assert open_source(tmp_path).classes == ("black",)
    two_classes(tmp_path / "one", "crash_test")
    assert open_source(tmp_path / "one").classes == ("crash_test",)
    two_classes(tmp_path / "two", "seg_test/seg_test")
    assert {item.split for item in open_source(tmp_path / "two").items} == {"test"}


@pytest.mark.parametrize(
    "tests", [("PublicTest", "PrivateTest"), ("Public_Test", "Private_Test"), ("public test", "test")]
)
def test_two_test_sets_of_a_competition_are_one_split(tmp_path: Path, tests: tuple[str, str]) -> None:
    dataset = open_source(two_classes(tmp_path, "Training", *tests))
    assert read(dataset) == {"Training": as_split("train"), tests[0]: as_split("test"), tests[1]: as_split("test")}
    assert "because the same class folders (2) stand under each" in dataset.notes[0]


def test_where_it_is_not_clear_what_belongs_together_a_way_to_say_it_is_named(tmp_path: Path) -> None:
    dataset = open_source(two_classes(tmp_path, "a_train", "a_test", "b_train", "b_test"))
    (note,) = dataset.notes
    assert (
        "for classes, although they are named like splits, since it is not clear which of them belong together" in note
    )
    said = note.partition("--splits ")[2]
    assert said == "a_test=test,a_train=train,b_test=test,b_train=train"
    assert len(open_source(tmp_path, splits=said).classes) == 2
