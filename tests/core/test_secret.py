"""A key's hash: the same where keys are made and where callers are known by them, for whatever callers send."""

from __future__ import annotations

import hashlib

from drivetrain.core.role import Role
from drivetrain.core.secret import secret_hash
from drivetrain.store.new_key import new_key


def test_a_new_key_is_known_by_the_hash_of_its_secret() -> None:
    secret, key = new_key("someone", Role.PREDICT)
    assert key.secret_sha256 == secret_hash(secret) == hashlib.sha256(secret.encode()).hexdigest()


def test_whatever_is_sent_has_a_hash_of_its_own() -> None:
    sent = ["", "?", "\udc80", "\udc81", "ä", "dt_\x00"]
    assert len({secret_hash(text) for text in sent}) == len(sent)
