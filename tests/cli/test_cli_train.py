"""``drivetrain train``: what it prints, what it refuses and in which words, and that it can be interrupted."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pillow_heif
import pytest
from command_line import CommandLine, OwnProcess, TrainedByCommand
from PIL import Image

import drivetrain as dt
from tiny_backbone import TINY

pytestmark = pytest.mark.trains

SMALL = ("--backbone", TINY)


@pytest.fixture
def few(pictures: Path, tmp_path: Path) -> Path:
    """Two classes of ten pictures each, to change at will."""
    for kind in ("discs", "stripes"):
        (tmp_path / "few" / kind).mkdir(parents=True)
        for file in sorted((pictures / kind).iterdir())[:10]:
            shutil.copy(file, tmp_path / "few" / kind)
    return tmp_path / "few"


# What it prints


def test_json_is_as_documented(trained: TrainedByCommand) -> None:
    document = trained.done.document
    assert document["bundle"] == str(trained.bundle)
    assert document["report"] == str(trained.bundle / "report.html")
    assert document["images"] == {"used": 60, "skipped": 0}
    assert document["classes"] == {"discs": 20, "squares": 20, "stripes": 20}
    accuracy = document["accuracy"]
    assert set(accuracy) == {"value", "low", "high", "method"}
    assert 0 <= accuracy["low"] <= accuracy["value"] <= accuracy["high"] <= 1
    assert "folds" in accuracy["method"]
    assert 0 <= document["accuracy_random_split"]["value"] <= 1
    assert isinstance(document["log_loss"], float)
    assert isinstance(document["ece"], float)
    assert "auc" not in document
    assert set(document["groups"]) == {"duplicates", "user"}
    assert {"total", "read", "embed", "fit", "write"} <= set(document["seconds"])
    assert all(isinstance(value, float) for value in document["seconds"].values())
    assert document["leak"] is None
    assert isinstance(document["features"], str)
    assert isinstance(document["warnings"], list)


def test_progress_goes_to_stderr(trained: TrainedByCommand) -> None:
    assert "embed: 60 images in " in trained.done.err
    assert "\x1b" not in trained.done.err
    assert "Traceback" not in trained.done.err


def test_a_bundle_holds_what_the_design_says(trained: TrainedByCommand) -> None:
    names = {path.relative_to(trained.bundle).as_posix() for path in trained.bundle.rglob("*") if path.is_file()}
    assert {
        "manifest.json",
        "model.onnx",
        "arrays.safetensors",
        "card.md",
        "report.html",
        "SHA256SUMS",
        "golden/golden.json",
        "golden/expected.safetensors",
        "golden/0.png",
    } <= names


def test_two_classes_give_an_auc_and_text_gives_a_table(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    done = drivetrain("train", few, "--out", tmp_path / "b", *SMALL)
    assert done.code == 0
    table = dict(line.split(maxsplit=1) for line in done.out.splitlines() if line[:1].isupper())
    assert table["Classes"] == "2: discs (10), stripes (10)"
    assert table["Images"] == "20 used, 0 skipped"
    auc = float(table["AUC"].split()[0])
    assert 0 <= auc <= 1
    assert table["Report"] == str(tmp_path / "b" / "report.html")
    assert "! Too few images" in done.out.replace("!  ", "! ")
    quiet = drivetrain("train", few, "--out", tmp_path / "b", *SMALL, "--ignore", "too-few-images", "--json").document
    assert "too-few-images" not in {one["code"] for one in quiet["findings"]}
    assert quiet["ignored"] == ["too-few-images"]
    assert not any("Too few images" in line for line in quiet["warnings"])
    assert "Too few images" not in (tmp_path / "b" / "report.html").read_text(encoding="utf-8")
    assert all(line == line.rstrip() for line in done.out.splitlines())
    with_json = drivetrain("train", few, "--out", tmp_path / "b", *SMALL, "--json")
    assert with_json.document["auc"] == pytest.approx(auc, abs=5e-4)


def test_the_same_seed_gives_the_same_bundle_to_the_byte(
    drivetrain: CommandLine, trained: TrainedByCommand, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    done = drivetrain("train", trained.source, "--out", again, *SMALL, "--seed", "1", "--json")
    assert done.code == 0
    assert (again / "model.onnx").read_bytes() == (trained.bundle / "model.onnx").read_bytes()
    manifests = [json.loads((bundle / "manifest.json").read_text()) for bundle in (again, trained.bundle)]
    assert manifests[0]["bundle_id"] == manifests[1]["bundle_id"]
    assert manifests[0]["training"]["seed"] == 1
    volatile = ("seconds", "bundle", "report")
    documents = [{k: v for k, v in d.document.items() if k not in volatile} for d in (done, trained.done)]
    assert documents[0] == documents[1]


def test_names_with_spaces_and_any_script(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    source = few.rename(tmp_path / "Bären & Größe 熊")
    (source / "discs").rename(source / "große Kreise")
    (source / "stripes").rename(source / "полосы")
    out = tmp_path / "mein Modell ünd so.zip"
    done = drivetrain("train", source, "--out", out, *SMALL, "--name", "Probe „1“", "--json")
    assert done.code == 0, done.err
    assert done.document["classes"] == {"große Kreise": 10, "полосы": 10}
    assert done.document["report"] is None
    predictor = dt.load(out)
    assert predictor.manifest.name == "Probe „1“"
    assert "große Kreise" in (predictor.file("card.md") or b"").decode()


# How it ends


@pytest.fixture
def messy(few: Path) -> Path:
    """``few`` with one picture under both classes and three files that cannot be read."""
    shutil.copy(few / "discs" / "00.jpg", few / "stripes" / "copy of.jpg")
    for name in ("a", "b", "c"):
        (few / "discs" / f"broken {name}.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    return few


CONTRADICTION = (
    "1 picture occurs with labels that contradict each other, so at least one of them is wrong; the pair: discs/00.jpg (discs) "
    "and stripes/copy of.jpg (stripes)."
)


def test_it_ends_with_a_verdict_and_with_commands_that_run(
    drivetrain: CommandLine, drivetrain_process: OwnProcess, messy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "it's a bundle"
    done = drivetrain("train", messy, "--out", out, *SMALL)
    assert done.code == 0, done.err
    assert re.search(r"^ +always naming “stripes”, the commonest class: 52\.4 %$", done.out, re.MULTILINE)
    worst = re.search(r"^Worst class +(.+)$", done.out, re.MULTILINE)
    assert worst
    assert worst[1].startswith(("“discs”: ", "“stripes”: ", "none: every image"))
    warnings = [line for line in done.out.splitlines() if line.startswith("!")]
    assert CONTRADICTION in warnings[0]
    assert any("3 of 24 files could not be used (3 damaged); the report lists them under" in line for line in warnings)
    assert re.search(r"^Random split +\d+\.\d %: images dealt at random", done.out, re.MULTILINE)
    commands = re.findall(r"^Next: .+\n  (.+)$", done.out, re.MULTILINE)
    assert [command.split()[1] for command in commands] == ["report", "clean", "predict", "serve"]
    assert shlex.split(commands[1]) == ["drivetrain", "clean", str(messy)]
    assert shlex.split(commands[3]) == ["drivetrain", "serve", str(out)]
    # As a shell finds them: the command itself, and a browser that says what it was told to open.
    (tmp_path / "bin").mkdir()
    for name, body in (
        ("drivetrain", f'exec {shlex.quote(sys.executable)} -m drivetrain.cli.main "$@"'),
        ("xdg-open", f'echo "$1" > {shlex.quote(str(tmp_path / "opened"))}'),
    ):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = drivetrain_process.environment
    environment |= {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{environment['PATH']}"}
    ran = [
        subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=False)
        for command in (commands[0], commands[2])
    ]
    assert [one.returncode for one in ran] == [0, 0], [one.stderr for one in ran]
    assert ran[0].stdout.strip() == str(out / "report.html")
    assert ran[1].stdout.startswith(f"{messy / 'discs' / '00.jpg'}\tdiscs\t")


def test_a_contradiction_stands_in_the_warnings_and_first_in_the_report(
    drivetrain: CommandLine, messy: Path, tmp_path: Path
) -> None:
    document = drivetrain("train", messy, "--out", tmp_path / "b", *SMALL, "--json").document
    assert document["contradictions"] == [
        {
            "first": "discs/00.jpg",
            "first_label": "discs",
            "second": "stripes/copy of.jpg",
            "second_label": "stripes",
            "kind": "exact",
        }
    ]
    assert CONTRADICTION in document["warnings"][0]
    assert document["baseline"] == {"label": "stripes", "accuracy": pytest.approx(11 / 21)}
    assert {"name", "count", "measure", "value", "low", "high", "clear"} == set(document["worst"])
    page = (tmp_path / "b" / "report.html").read_text()
    assert page.index("Read this first") < page.index("discs/00.jpg (discs)") < page.index("<main>")
    assert "labels contradict" in page


def test_a_file_listed_with_two_labels_is_named(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    rows = [(file, file.parent.name) for file in sorted(few.rglob("*.jpg"))]
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *rows, (rows[0][0], "stripes")])
    document = drivetrain("train", tmp_path / "t.csv", "--out", tmp_path / "b", *SMALL, "--json").document
    (warning,) = [line for line in document["warnings"] if "contradict" in line]
    assert warning.startswith("1 file is listed with labels that contradict each other, and was left out; it is ")
    assert "'discs'" in warning
    assert "'stripes'" in warning


def test_of_sound_data_the_mistakes_are_to_be_seen_first(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    done = drivetrain("train", few, "--out", tmp_path / "b.zip", *SMALL)
    assert re.findall(r"^Next: (.+)$", done.out, re.MULTILINE)[0] == "see what it gets wrong"


def test_no_word_of_the_trade_stands_unexplained(trained: TrainedByCommand, drivetrain: CommandLine, few: Path) -> None:
    said = drivetrain("train", few, "--out", few.parent / "b", *SMALL)
    page = re.sub(
        r"<style>.*?</style>|base64,[^\"]+", "", (few.parent / "b" / "report.html").read_text(), flags=re.DOTALL
    )
    card = (trained.bundle / "card.md").read_text()
    for text in (said.out, said.err, page, card):
        for words in (
            r"\bnats\b",
            "groups worth",
            "probe duplicates",
            r"\bOOF\b",
            r"\bstrat(a|um)\b",
            "penalty C",
        ):
            assert not re.search(words, text), words


# Choices


def test_balance_and_resize_are_recorded_and_change_the_model(
    drivetrain: CommandLine, few: Path, tmp_path: Path
) -> None:
    for file in sorted((few / "stripes").iterdir())[4:]:
        file.unlink()
    for file in (few / "discs").iterdir():  # not square, so that crop and pad differ
        with Image.open(file) as image:
            image.resize((160, 60)).save(file)
    models = set()
    for choices in ((), ("--balance", "classes"), ("--resize", "pad")):
        out = tmp_path / "-".join(("b", *choices)).replace("--", "")
        assert drivetrain("train", few, "--out", out, "--backbone", "efficientnet-lite0", *choices).code == 0
        manifest = json.loads((out / "manifest.json").read_text())
        assert manifest["training"]["balance"] == ("classes" if "classes" in choices else "none")
        assert manifest["input"]["preprocess"]["resize"]["method"] == ("pad" if "pad" in choices else "crop")
        models.add((out / "model.onnx").read_bytes())
    assert len(models) == 3


def test_a_zip_is_a_source(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "few.zip", "w") as archive:
        for file in few.rglob("*.jpg"):
            archive.write(file, f"few/{file.relative_to(few).as_posix()}")
    before = (tmp_path / "few.zip").read_bytes()
    done = drivetrain("train", tmp_path / "few.zip", "--out", tmp_path / "b", *SMALL, "--json")
    assert done.code == 0, done.err
    assert done.document["classes"] == {"discs": 10, "stripes": 10}
    # A slip of the pen must not cost the photos.
    refused = drivetrain("train", tmp_path / "few.zip", "--out", tmp_path / "few.zip", *SMALL)
    assert refused.code == 2
    assert "exists and is not a bundle" in refused.error
    assert (tmp_path / "few.zip").read_bytes() == before


# Data that is not as it should be


def test_files_that_cannot_be_used_are_counted(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    (few / "discs" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut short")
    (few / "discs" / "empty.png").touch()
    (few / "stripes" / "text.jpg").write_text("not an image")
    done = drivetrain("train", few, "--out", tmp_path / "b", *SMALL, "--json")
    assert done.code == 0
    assert done.document["images"] == {"used": 20, "skipped": 3}
    assert any("3 of 23 files could not be used" in warning for warning in done.document["warnings"])
    page = (tmp_path / "b" / "report.html").read_text()
    for name in ("broken.jpg", "empty.png", "text.jpg"):
        assert name in page


def test_a_leaking_split_is_named_with_its_first_pair_and_both_figures(
    drivetrain: CommandLine, pictures: Path, tmp_path: Path
) -> None:
    source = tmp_path / "split"
    for kind in ("discs", "stripes"):
        files = sorted((pictures / kind).iterdir())
        for split, part in (("train", files[:12]), ("valid", files[12:])):
            (source / split / kind).mkdir(parents=True)
            for file in part:
                shutil.copy(file, source / split / kind)
    with Image.open(source / "train" / "discs" / "03.jpg") as image:
        image.save(source / "valid" / "discs" / "copy.jpg", quality=60)
    shutil.copy(source / "train" / "stripes" / "05.jpg", source / "valid" / "stripes" / "same.jpg")
    done = drivetrain("train", source, "--out", tmp_path / "b", *SMALL, "--json")
    assert done.code == 0, done.err
    leak = done.document["leak"]
    assert "2 of 18 valid images are near-duplicates or group members of training images" in leak
    assert "First pair: train/discs/03.jpg, valid/discs/copy.jpg" in leak
    assert "with them the accuracy would be" in leak
    assert done.document["warnings"][0] == leak
    assert "held-out valid split of 18 images, 2 leaking ones left out" in done.document["accuracy"]["method"]
    figures = json.loads((tmp_path / "b" / "manifest.json").read_text())["figures"]
    assert "accuracy-with-leak" in {figure["slug"] for figure in figures}


def _one_class(folder: Path, few: Path) -> Path:
    shutil.copytree(few / "discs", folder / "discs")
    return folder


def _one_image(folder: Path, few: Path) -> Path:
    shutil.copytree(few, folder, dirs_exist_ok=True)
    (folder / "rare").mkdir()
    shutil.copy(few / "discs" / "00.jpg", folder / "rare")
    return folder


def _empty(folder: Path, _few: Path) -> Path:
    return folder


def _missing(folder: Path, _few: Path) -> Path:
    return folder / "photso"


def _missing_column(folder: Path, _few: Path) -> Path:
    with (folder / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "kind"], ["a.jpg", "x"]])
    return folder / "t.csv"


def _no_classes(folder: Path, few: Path) -> Path:
    shutil.copy(few / "discs" / "00.jpg", folder)
    return folder


def _one_file(_folder: Path, few: Path) -> Path:
    return few / "discs" / "00.jpg"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (_one_class, "one class, “discs” (10 images); a classifier needs two or more classes"),
        (_one_image, "every class needs at least two usable images : “rare” has 1"),
        (_empty, "no files at all"),
        (_missing, "there is no "),
        (_missing_column, "label"),
        (_no_classes, "put each class's images in a folder of its own"),
        (_one_file, "is a single image without a label"),
    ],
)
def test_sources_that_cannot_be_learnt_from(
    drivetrain: CommandLine, few: Path, tmp_path: Path, source: Callable[[Path, Path], Path], message: str
) -> None:
    (tmp_path / "source").mkdir()
    done = drivetrain("train", source(tmp_path / "source", few), "--out", tmp_path / "b", *SMALL)
    assert done.code == 2
    assert message.replace(" :", ":") in done.error.replace(" :", ":")
    assert not (tmp_path / "b").exists()


def test_a_folder_of_heic_photos_is_learnt_from_or_told_what_is_missing(
    drivetrain: CommandLine, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in sorted(few.rglob("*.jpg")):
        with Image.open(file) as image:
            pillow_heif.from_pillow(image.convert("RGB")).save(file.with_suffix(".HEIC"), quality=80)
        file.unlink()
    done = drivetrain("train", few, "--out", tmp_path / "b", *SMALL)
    assert (done.code, "20 used, 0 skipped" in done.out) == (0, True)
    photo = next(few.rglob("*.HEIC"))
    assert drivetrain("predict", tmp_path / "b", photo).code == 0
    with monkeypatch.context() as missing:
        missing.setitem(sys.modules, "pi_heif", None)
        done = drivetrain("train", few, "--out", tmp_path / "c", "--no-cache", *SMALL)
        assert done.code == 2
        assert "none of the 20 files can be used (library missing; " in done.err
        assert "pip install pi-heif" in done.err
        assert "pip install pi-heif" in drivetrain("predict", tmp_path / "b", photo).out
        assert "pip install pi-heif" in drivetrain("evaluate", tmp_path / "b", few, "--no-cache").err


def test_when_no_file_can_be_read_the_reasons_are_given(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    for file in few.rglob("*.jpg"):
        file.write_bytes(b"\xff\xd8\xff broken")
    done = drivetrain("train", few, "--out", tmp_path / "b", *SMALL)
    assert done.code == 2
    assert done.out == ""
    assert done.err.splitlines()[-1].startswith("error: none of the 20 files can be used (")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--backbone", "eficientnet-lite1"), "unknown backbone “eficientnet-lite1”; did you mean efficientnet-lite1?"),
        (("--backbone", "resnet50"), "unknown backbone “resnet50”; there are efficientnet-lite0,"),
        (("--backbone", "nothing.onnx"), "nothing.onnx"),
        (("--accept", "2"), "--accept': 2 is not 0 to 1; see "),
        (("--accept", "nan"), "nan is not 0 to 1"),
        (("--budget-s", "-1"), "--budget-s': -1 is not 0 or more"),
        (("--seed", "-1"), "--seed': -1 is not 0 or more"),
        (("--seed", "one"), "--seed': 'one' is not a"),
        (("--accept", "most"), "--accept': 'most' is not a"),
        (("--workers", "0"), "--workers': 0 is not 1 or more"),
        (("--balance", "equal"), "'equal' is not one of 'none', 'sqrt', 'classes', 'groups'"),
        (("--resize", "stretch"), "'stretch' is not one of 'crop', 'pad', 'squish'"),
        (("--frobnicate",), "No such option"),
    ],
)
def test_choices_that_cannot_be_made(
    drivetrain: CommandLine, few: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = drivetrain("train", few, "--out", tmp_path / "b", *arguments)
    assert done.code == 2
    assert message in done.error
    assert "Value error" not in done.error  # what checks the values for typer has words of its own


def test_places_that_cannot_be_written_to(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out, message in (
        (few, "exists and is not a bundle; choose a new name, such as few.bundle"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "file" / "b", "is a file, not a folder"),
    ):
        done = drivetrain("train", few, "--out", out, *SMALL)
        assert done.code == 2
        assert message in done.error
    assert (tmp_path / "file").read_text() == "mine"
    assert len(list(few.rglob("*.jpg"))) == 20


# Interruption


def test_interrupted_it_leaves_one_line_and_goes_on_when_run_again(
    drivetrain_process: OwnProcess, pictures: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    arguments = ("train", pictures, "--out", tmp_path / "b", *SMALL, "--cache", cache)
    # Whoever runs the tests in the background may have taught us to ignore the signal.
    process = subprocess.Popen(
        drivetrain_process.command(*arguments),
        env=drivetrain_process.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 60
    while not cache.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    lines = [line for line in err.decode().splitlines() if " images in " not in line]
    assert lines == ["interrupted; run it again: train goes on from what it has embedded"]
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    done = drivetrain_process(*arguments, "--json")
    assert done.code == 0, done.err
    assert done.document["images"]["used"] == 60


# How a source is taken


def test_what_was_taken_for_what_is_said_everywhere(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    source = tmp_path / "kaggle"
    for kind in ("discs", "stripes"):
        for number, file in enumerate(sorted((few / kind).iterdir())):
            folder = source / ("seg_train/seg_train" if number < 7 else "seg_test/seg_test") / kind
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, folder)
    (source / "seg_pred").mkdir()
    shutil.copy(few / "discs" / "00.jpg", source / "seg_pred")
    done = drivetrain("train", source, "--out", tmp_path / "b", *SMALL, "--json")
    assert done.code == 0, done.err
    took, left_out = done.document["notes"]
    assert took.startswith(
        "took seg_test as test and seg_train as train, because the same class folders (2) stand under each"
    )
    assert left_out.startswith("left out seg_pred")
    assert took in " ".join(done.err.split())
    assert done.document["images"] == {"used": 14, "skipped": 1}
    assert "Taken as" in (tmp_path / "b" / "report.html").read_text(encoding="utf-8")
    judged = drivetrain("evaluate", tmp_path / "b", source, "--split", "test", "--json")
    assert judged.document["notes"] == [took, left_out]
    assert judged.document["n"] == 6
    plain = drivetrain("evaluate", tmp_path / "b", source / "seg_test", "--splits", "none", "--json")
    assert plain.code == 2
    assert "no image of" in plain.err


def test_labels_in_two_spellings_and_a_column_of_folds(drivetrain: CommandLine, few: Path, tmp_path: Path) -> None:
    rows = ["fname,labels,fold"]
    for kind in ("discs", "stripes"):
        for number, file in enumerate(sorted((few / kind).iterdir())):
            rows.append(f"{kind}/{file.name},{kind if number else kind.title()},{number % 5}")
    (few / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    plain = drivetrain("train", few / "labels.csv", "--out", tmp_path / "b", *SMALL, "--json")
    assert plain.code == 2
    assert "“Discs” (1)" in plain.err
    assert "merge them with --normalise-labels" in plain.err
    done = drivetrain("train", few / "labels.csv", "--out", tmp_path / "b", *SMALL, "--json", "--normalise-labels")
    assert done.document["classes"] == {"discs": 10, "stripes": 10}
    (found,) = [one for one in done.document["findings"] if one["code"] == "unused-split"]
    assert "“fold” (0, 1, 2, 3, 4) of labels.csv looks like a split" in found["sentence"]
    assert done.document["notes"][0].startswith(
        "merged labels that differ only in how they are written: “Discs” (1) into"
    )
    settings = tmp_path / "s.toml"
    settings.write_text('normalise_labels = true\nsplits = "none"\n')
    again = drivetrain("train", few / "labels.csv", "--out", tmp_path / "c", *SMALL, "--json", "--settings", settings)
    assert again.document["classes"] == {"discs": 10, "stripes": 10}
    assert "unused-split" not in {one["code"] for one in again.document["findings"]}
