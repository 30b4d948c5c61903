"""``drivetrain sign``, ``verify``, and the commands that take only what is signed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import CommandLine

pytest.importorskip("cryptography", reason="signatures need cryptography; pip install '.[sign]'")

KEPT = Path(__file__).parent.parent / "bundles" / "v1"


@pytest.mark.processes
def test_a_bundle_is_signed_checked_and_used(drivetrain: CommandLine, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(KEPT, tmp_path / "b.bundle"))
    key, public, image = tmp_path / "k", tmp_path / "k.pub", KEPT / "golden" / "0.png"
    refused = drivetrain("sign", bundle, "--key", key)
    assert (refused.code, refused.out) == (2, "")
    signed = drivetrain("sign", bundle, "--key", key, "--new-key")
    assert (signed.code, signed.err) == (0, "")
    assert f"drivetrain verify {bundle} --key {public}" in signed.out
    told = json.loads(drivetrain("verify", bundle, "--key", public, "--json").out)
    assert told == {"bundle": str(bundle), "public_key": str(public), "files": 11, "signed": True, "problem": None}
    assert drivetrain("predict", bundle, image, "--verify", public).code == 0

    unsigned = drivetrain("predict", KEPT, image, "--verify", public)
    assert (unsigned.code, unsigned.out) == (2, "")
    assert "it is not signed" in unsigned.err
    assert drivetrain("serve", KEPT, "--verify", public, "--store", tmp_path / "s.db", "--port", "0").code == 2


@pytest.mark.parametrize("fault", ["unsigned", "another key", "altered", "missing"])
def test_a_check_that_says_no_ends_with_1(drivetrain: CommandLine, tmp_path: Path, fault: str) -> None:
    bundle = Path(shutil.copytree(KEPT, tmp_path / "b.bundle"))
    key, public = tmp_path / "k", tmp_path / "k.pub"
    drivetrain("sign", bundle, "--key", key, "--new-key")
    if fault == "unsigned":
        (bundle / "SHA256SUMS.sig").unlink()
    elif fault == "another key":
        drivetrain("sign", bundle, "--key", tmp_path / "other", "--new-key")
    elif fault == "altered":
        (bundle / "model.onnx").write_bytes(b"something else")
    else:
        (bundle / "model.onnx").unlink()
    done, told = (drivetrain("verify", bundle, "--key", public, *how) for how in ((), ("--json",)))
    assert (done.code, told.code) == (1, 1)
    assert str(bundle) in done.error
    document = told.document
    assert list(document) == ["bundle", "public_key", "files", "signed", "problem"]
    assert document["signed"] is False
    assert document["problem"] in done.error
    assert document["files"] == (None if fault in ("altered", "missing") else 11)


def test_what_cannot_be_checked_ends_with_2(drivetrain: CommandLine, tmp_path: Path) -> None:
    drivetrain("sign", shutil.copytree(KEPT, tmp_path / "b.bundle"), "--key", tmp_path / "k", "--new-key")
    (tmp_path / "empty").mkdir()
    for bundle, key in (("none", "k.pub"), ("empty", "k.pub"), ("b.bundle", "k"), ("b.bundle", "none.pub")):
        done = drivetrain("verify", bundle, "--key", key, "--json", cwd=tmp_path)
        assert done.error
        assert done.code == 2, (bundle, key)


def test_a_key_is_not_made_for_what_cannot_be_signed(drivetrain: CommandLine, tmp_path: Path) -> None:
    assert "does not exist" in drivetrain("sign", tmp_path / "none", "--key", tmp_path / "k", "--new-key").err
    assert not list(tmp_path.glob("k*"))


@pytest.mark.parametrize("command", ["sign", "verify"])
def test_the_address_of_a_key_is_shown_as_it_was_given(drivetrain: CommandLine, command: str) -> None:
    done = drivetrain(command, KEPT, "--key", "https://example.org//k.pub")
    assert "https://example.org//k.pub is a web address" in " ".join(done.err.split())
