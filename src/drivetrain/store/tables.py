"""The tables of a store, the same on SQLite and PostgreSQL.

Times are whole microseconds since 1970 in UTC: integers compare alike everywhere. JSON is text, escaped to ASCII, so that
any string a caller can send comes back as it was. Records are read in the order (at, id), and every column that can be asked
for has an index that ends in just that order: a search walks along one index and stops.

The index of the order alone is written over ``at + 0``. PostgreSQL would otherwise be free to take it for a question about
one site, trusting that the site's records lie spread over time, and walk past a million others where they do not. As the
expression differs, each question has one index that answers it, whatever the statistics say.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, literal_column

METADATA = MetaData()


def _text() -> Text:
    # Text is compared byte by byte: quicker than by a language's rules, and the same on every server.
    return Text().with_variant(Text(collation="C"), "postgresql")


PREDICTIONS = Table(
    "predictions",
    METADATA,
    Column("id", _text(), primary_key=True),
    Column("request_id", _text(), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("model", _text(), nullable=False),
    Column("bundle_id", _text(), nullable=False),
    Column("verdict", _text(), nullable=False),
    Column("label", _text()),
    Column("labels", _text()),
    Column("camera", _text()),
    Column("site", _text()),
    Column("group_name", _text()),
    Column("input_sha256", _text()),
    Column("key_id", _text()),
    Column("confidence", Float(53)),
    Column("p_in_domain", Float(53)),
    Column("queue_s", Float(53)),
    Column("decode_s", Float(53)),
    Column("network_s", Float(53)),
    Column("total_s", Float(53)),
    Column("facts", Text),
    Column("taken_at", _text()),
    # Columns that may be long stand last: SQLite reads a row from its front.
    Column("answer", Text, nullable=False),
    Column("extra", Text),
)
TIME = literal_column("predictions.at + 0", BigInteger)
Index("ix_predictions_time", literal_column("(at + 0)"), PREDICTIONS.c.id)
for _column in ("request_id", "model", "bundle_id", "verdict"):
    Index(f"ix_predictions_{_column}", PREDICTIONS.c[_column], PREDICTIONS.c.at, PREDICTIONS.c.id)
for _column in ("camera", "site", "group_name", "input_sha256"):
    _present = PREDICTIONS.c[_column].is_not(None)
    Index(
        f"ix_predictions_{_column}",
        PREDICTIONS.c[_column],
        PREDICTIONS.c.at,
        PREDICTIONS.c.id,
        sqlite_where=_present,
        postgresql_where=_present,
    )

# The table has a row for each label of each record: the one label, or every one of several.
LABELS = Table(
    "labels",
    METADATA,
    Column("label", _text(), primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("id", _text(), primary_key=True),
    sqlite_with_rowid=False,
)

INPUTS = Table(
    "inputs",
    METADATA,
    Column("sha256", _text(), primary_key=True),
    Column("media_type", _text(), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("kept_at", BigInteger, nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("ix_inputs_kept_at", INPUTS.c.kept_at)

KEYS = Table(
    "keys",
    METADATA,
    Column("id", _text(), primary_key=True),
    Column("name", _text(), nullable=False),
    Column("role", _text(), nullable=False),
    Column("secret_sha256", _text(), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    Column("per_minute", BigInteger),
)
_live = KEYS.c.revoked_at.is_(None)
Index("ix_keys_live_name", KEYS.c.name, unique=True, sqlite_where=_live, postgresql_where=_live)
Index("ix_keys_secret", KEYS.c.secret_sha256, unique=True)

# The table has one row, the trusted time, see `core.calendar`. Spans are microseconds too.
CALENDAR = Table(
    "calendar",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("trusted_at", BigInteger, nullable=False),
    Column("ahead", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
)

# The order in which predictions and truths were stored, see `feed`: a row for each group of predictions that was written at
# once, and for each truth. Its numbers grow, and are given once only, even where all rows have been deleted.
FEED = Table(
    "feed",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("predictions", Text),
    Column("truth", _text()),
    sqlite_autoincrement=True,
)

# The right answers that people told; ``named`` holds the labels in the form of the predictions' column ``labels``.
TRUTHS = Table(
    "truths",
    METADATA,
    Column("id", _text(), primary_key=True),
    Column("prediction_id", _text(), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("model", _text(), nullable=False),
    Column("bundle_id", _text(), nullable=False),
    Column("how", _text(), nullable=False),
    Column("told_by", _text(), nullable=False),
    Column("named", _text()),
    Column("told", Text, nullable=False),
)
Index("ix_truths_time", TRUTHS.c.at, TRUTHS.c.id)
for _column in ("prediction_id", "model", "bundle_id"):
    Index(f"ix_truths_{_column}", TRUTHS.c[_column], TRUTHS.c.at, TRUTHS.c.id)

MONITORS = Table(
    "monitors",
    METADATA,
    Column("model", _text(), primary_key=True),
    Column("bundle_id", _text(), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

ALARMS = Table(
    "alarms",
    METADATA,
    Column("id", _text(), primary_key=True),
    Column("model", _text(), nullable=False),
    Column("raised", BigInteger, nullable=False),
    Column("cleared", BigInteger),
    Column("alarm", Text, nullable=False),
)
Index("ix_alarms_raised", ALARMS.c.raised, ALARMS.c.id)
_standing = ALARMS.c.cleared.is_(None)
Index("ix_alarms_standing", ALARMS.c.raised, ALARMS.c.id, sqlite_where=_standing, postgresql_where=_standing)

# Messages about alarms, for a webhook.
NOTICES = Table(
    "notices",
    METADATA,
    Column("id", _text(), primary_key=True),
    Column("alarm_id", _text(), nullable=False),
    Column("event", _text(), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", BigInteger),
    Column("delivered_at", BigInteger),
    Column("last_error", Text),
    Column("body", Text, nullable=False),
)
Index("ix_notices_alarm", NOTICES.c.alarm_id, NOTICES.c.at, NOTICES.c.id)
_due = NOTICES.c.next_at.is_not(None)
Index("ix_notices_due", NOTICES.c.next_at, NOTICES.c.id, sqlite_where=_due, postgresql_where=_due)
