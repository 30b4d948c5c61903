"""Texts that nobody expects, for names, moments, JSON, queries and cursors."""

from __future__ import annotations

import base64
import json
import random

MODEL, VERSION = "farben", "f4f315e1b8b3121f"
"""Of the tiny bundle."""

NAMES = (
    "a.jpg", "", "../../../etc/passwd", "..\\..\\boot.ini", "C:\\photos\\bär.jpg", "/", "\\", "a\0b.jpg",
    "\u202egpj.exe",
    "\u200f\u200e.png", "a\r\nX-Evil: 1", "x" * 5000, "ä" * 300, "👩‍🔬.png", 'quo"ted.jpg', "a;b=c.jpg",
    "a'); DROP TABLE predictions;--",
    "%2e%2e%2f", "con", ".", "..", "\ufeff", "\ufffe", "\x7f\x1b[31m", "file:///etc/passwd",
    "<img src=x onerror=alert(1)>",
)  # fmt: skip

MOMENTS = (
    "2026-01-02T03:04:05Z", "2026-01-02T03:04:05", "2026-01-02", "now", "", "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999999-12:00", "1969-12-31T23:59:59.999999+00:00", "-1", "0",
    "1e30", "253402300800",
    "-62135596800", "99999999999999999999", "2026-02-30T00:00:00Z", "2026-01-02T25:00:00Z", "2026-01-02T03:04:60Z",
    "NaN", "inf",
    "2026-01-02T03:04:05+99:99", "2026-01-02T03:04:05.123456789123Z", "２０２６-01-02T03:04:05Z",
    "2026-01-02T03:04:05+23:59",
)  # fmt: skip

# As they stand in a body: json.dumps could not write some of them.
JSON_TEXTS = (
    "null", "true", "0", "-0", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "1" * 5000, "1" * 400,
    "0." + "3" * 400, "1e-400",
    '""', '"text"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\\u202e"', '"' + "x" * 300 + '"',
    '"' + "ä" * 250 + '"', "[]", "{}",
    "[[[]]]", "[" * 300 + "]" * 300, "[" * 100_000, '{"a":' * 300 + "1" + "}" * 300, '{"a":1,"a":2}', '{"":""}',
    '{"\\ud800":1}',
    '{"__proto__":{"a":1}}', "9223372036854775808", "-9223372036854775809", "1.0", "[1,2", "{", '"', "'a'",
    "undefined", "01", "+1", "\ufeff1",
)  # fmt: skip

WORDS = (
    "", "a", "accept", "review", "unreadable", "rot", "grün", "blau", MODEL, VERSION, "%00", "%ff%fe", "%ed%a0%80",
    "%F0%9F%92%A9", "a" * 199,
    "a" * 201, "x" * 5000, "'; --", "%25", "\\", "*", "null", "true", "%0d%0aX-Evil:1", "..%2f..", "1", "-1", "0",
    "1.5", "1e9", "NaN",
    "99999999999999999999999", "%2B1", "+1", "０", "1_000", "%20", "019ca1b0d6c87d4a8a4be2f7c0ffee00", "0" * 64,
    "F" * 64, "g" * 64,
)  # fmt: skip

CURSORS = (
    "bm90aGluZw", base64.urlsafe_b64encode(b"[1,\"ab\"]").decode(),
    base64.urlsafe_b64encode(b'[5, "ab"]').decode().rstrip("="), "=" * 40, "A" * 499, "A" * 501,
    base64.urlsafe_b64encode(b"[9223372036854775807, \"zz\"]").decode().rstrip("="),
    base64.urlsafe_b64encode(b"[9223372036854775808, \"zz\"]").decode().rstrip("="),
    base64.urlsafe_b64encode(b"[-9223372036854775808, \"\"]").decode().rstrip("="),
    base64.urlsafe_b64encode(b"[" * 300).decode().rstrip("="),
    base64.urlsafe_b64encode(b'[NaN, "a"]').decode().rstrip("="),
    base64.urlsafe_b64encode(b'[5, "\\ud800"]').decode().rstrip("="),
    base64.urlsafe_b64encode(b'[true, "a"]').decode().rstrip("="),
)  # fmt: skip


def metadata_text(rng: random.Random) -> str:
    """Metadata that may be sound, and mostly is not."""
    if rng.random() < 0.25:
        return rng.choice(JSON_TEXTS)
    keys = (
        "camera",
        "site",
        "group",
        "taken_at",
        "extra",
        "extra",
        "camera",
        "taken_at",
        *rng.choice(((), ("unknown", "__class__"))),
    )
    members = []
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        key = rng.choice(keys)
        value = rng.choice(
            ('"Tor 4"', *JSON_TEXTS) if rng.random() < 0.5 else ('"Tor 4"', '"\\u0000"', '"\\u202e"', "null")
        )
        if key == "taken_at" and rng.random() < 0.9:
            value = json.dumps(rng.choice(MOMENTS))
        if key == "extra" and rng.random() < 0.8:
            value = '{"k":' + value + "}"
        members.append(f'"{key}":{value}')
    text = "{" + ",".join(members) + "}"
    return f"[{text}]" if rng.random() < 0.15 else text
