"""Signatures: they say who vouches for a bundle, and nobody else can make them."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from tampering import reseal, zipped

import drivetrain as dt
from drivetrain.core.errors import BundleError, UsageError
from drivetrain.model.signature import make_key, sign, verify
from drivetrain.model.storage import SIGNATURE, SUMS, read_files, read_sealed

pytest.importorskip("cryptography", reason="signatures need cryptography; pip install '.[sign]'")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_key(tmp_path / "mine")
    return tmp_path / "mine"


def public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def test_a_key_is_its_owners_and_never_written_over(key: Path) -> None:
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "PUBLIC" in public(key).read_text()
    before = key.read_bytes()
    with pytest.raises(UsageError, match="is there already"):
        make_key(key)
    assert key.read_bytes() == before


@pytest.mark.parametrize("form", ["folder", "zip", "zip of a folder"])
def test_what_is_signed_is_taken_and_is_the_same_bundle(bundle: Path, tmp_path: Path, key: Path, form: str) -> None:
    files = read_files(bundle)
    place = bundle
    if form != "folder":
        place = zipped(bundle, tmp_path / "b.zip", "colours.bundle/" if form != "zip" else "")
    sign(place, key)
    assert read_files(place) == files
    assert dt.load(place, signed_by=public(key)).manifest == dt.load(bundle).manifest
    sign(place, key)  # once more does no harm
    assert dt.load(place, signed_by=public(key))


def test_the_sums_stay_as_older_readers_want_them(bundle: Path, key: Path) -> None:
    sign(bundle, key)
    lines = (bundle / SUMS).read_text().splitlines()
    assert len(lines) == len(read_files(bundle))
    assert SIGNATURE not in (bundle / SUMS).read_text()


def test_what_is_not_signed_is_refused(bundle: Path, key: Path) -> None:
    with pytest.raises(BundleError, match=r"colours\.bundle: it is not signed .*and only what .*mine\.pub vouches for"):
        dt.load(bundle, signed_by=public(key))


def test_what_was_altered_since_is_refused_whatever_its_sums_say(bundle: Path, key: Path) -> None:
    sign(bundle, key)
    signature = (bundle / SIGNATURE).read_bytes()
    (bundle / "card.md").write_bytes(b"another word")
    (bundle / SIGNATURE).unlink()
    reseal(bundle)
    (bundle / SIGNATURE).write_bytes(signature)
    assert dt.load(bundle)
    with pytest.raises(BundleError, match="its signature is not of the key"):
        dt.load(bundle, signed_by=public(key))


def test_another_key_vouches_for_nothing(bundle: Path, tmp_path: Path, key: Path) -> None:
    make_key(tmp_path / "other")
    sign(bundle, tmp_path / "other")
    with pytest.raises(BundleError, match="its signature is not of the key"):
        dt.load(bundle, signed_by=public(key))


@pytest.mark.parametrize(
    "data", [b"", b"x" * 100, b"drivetrain-signature-1 ", b"drivetrain-signature-1 !!!\n", b"\xff" * 5000]
)
def test_what_is_no_signature_is_refused(bundle: Path, key: Path, data: bytes) -> None:
    (bundle / SIGNATURE).write_bytes(data)
    with pytest.raises(BundleError):
        dt.load(bundle, signed_by=public(key))


def test_a_signature_of_another_bundle_is_refused(bundle: Path, tmp_path: Path, key: Path) -> None:
    other = Path(shutil.copytree(bundle, tmp_path / "other.bundle"))
    (other / "card.md").write_bytes(b"another")
    reseal(other)
    sign(other, key)
    shutil.copy(other / SIGNATURE, bundle / SIGNATURE)
    with pytest.raises(BundleError, match="its signature is not of the key"):
        verify(read_sealed(bundle), public(key))


def test_keys_are_not_mistaken_for_each_other(bundle: Path, tmp_path: Path, key: Path) -> None:
    with pytest.raises(UsageError, match=r"mine is no public key .it holds a private one"):
        dt.load(bundle, signed_by=key)
    with pytest.raises(UsageError, match=r"mine\.pub is no key that can sign"):
        sign(bundle, public(key))
    (tmp_path / "nonsense").write_text("nonsense")
    with pytest.raises(UsageError, match="nonsense is no public key"):
        dt.load(bundle, signed_by=tmp_path / "nonsense")
    with pytest.raises(UsageError, match="cannot read the key"):
        dt.load(bundle, signed_by=tmp_path / "none")


@pytest.mark.parametrize("there", ["other", "other.pub"])
def test_half_a_new_key_is_not_left_beside_an_older_half(tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_bytes(b"older")
    with pytest.raises(UsageError, match=f"{there} is there already"):
        make_key(tmp_path / "other")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {there: b"older"}


def test_a_folder_kept_under_version_control_is_not_signed_away(bundle: Path, key: Path) -> None:
    (bundle / ".git").mkdir()
    (bundle / ".git" / "HEAD").write_bytes(b"ref")
    with pytest.raises(UsageError, match=r"holds \.git beside the bundle, which would be lost"):
        sign(bundle, key)
    assert (bundle / ".git" / "HEAD").exists()
