"""The tables of a store, the same on SQLite and PostgreSQL.

Times are whole microseconds since 1970 in UTC: integers compare alike everywhere. JSON is text, escaped to ASCII, so that
any string a caller can send comes back as it was. Records are read in the order (at, id), and every column that can be asked
for has an index that ends in just that order: a search walks along one index and stops.

The index of the order alone is written over ``at + 0``. PostgreSQL would otherwise be free to take it for a question about
one site, trusting that the site's records lie spread over time, and walk past a million others where they do not. As the
expression differs, each question has one index that answers it, whatever the statistics say.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    literal_column,
)

from ..core.rollout_records import ENDED

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

ROLLOUTS = Table(
    "rollouts",
    METADATA,
    Column("id", _text(), primary_key=True),
    Column("name", _text(), nullable=False),
    Column("model", _text(), nullable=False),
    Column("bundle_id", _text(), nullable=False),
    Column("stage", _text(), nullable=False),
    Column("step", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("head", BigInteger, nullable=False),
    Column("head_hash", _text(), nullable=False),
    Column("shadow_of", _text()),
)
_going = ROLLOUTS.c.stage != ENDED
Index("ix_rollouts_live_name", ROLLOUTS.c.name, unique=True, sqlite_where=_going, postgresql_where=_going)

# The log of each rollout, one event a line; see `core.log_chain`.
ROLLOUT_LINES = Table(
    "rollout_lines",
    METADATA,
    Column("rollout_id", _text(), primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("case_id", _text()),
    Column("before", _text(), nullable=False),
    Column("hash", _text(), nullable=False),
    Column("body", Text, nullable=False),
)
_about_a_case = ROLLOUT_LINES.c.case_id.is_not(None)
Index(
    "ix_rollout_lines_case",
    ROLLOUT_LINES.c.rollout_id,
    ROLLOUT_LINES.c.case_id,
    ROLLOUT_LINES.c.number,
    sqlite_where=_about_a_case,
    postgresql_where=_about_a_case,
)

# ``case_key`` is the sender's name for it; ``settled`` is the decision that took effect, as JSON.
CASES = Table(
    "cases",
    METADATA,
    Column("rollout_id", _text(), primary_key=True),
    Column("id", _text(), primary_key=True),
    Column("case_key", _text(), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("settled_at", BigInteger),
    Column("settled", Text),
    Column("body", Text, nullable=False),
)
Index("ix_cases_key", CASES.c.rollout_id, CASES.c.case_key, unique=True)

# The states of the machines that read the logs: one for each rollout, the newest.
ROLLOUT_SNAPSHOTS = Table(
    "rollout_snapshots",
    METADATA,
    Column("rollout_id", _text(), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
)

# The inputs of each case. Those of a case that is not done are ``needed``, and stay whatever the rule for inputs says; those that
# were written for a case ``alone``, and not with a prediction too, go with it where the rule keeps none.
CASE_INPUTS = Table(
    "case_inputs",
    METADATA,
    Column("rollout_id", _text(), primary_key=True),
    Column("case_id", _text(), primary_key=True),
    Column("sha256", _text(), primary_key=True),
    Column("needed", Boolean, nullable=False),
    Column("alone", Boolean, nullable=False),
)
_needed = CASE_INPUTS.c.needed.is_(True)
Index("ix_case_inputs_needed", CASE_INPUTS.c.sha256, sqlite_where=_needed, postgresql_where=_needed)
_left = and_(CASE_INPUTS.c.alone.is_(True), CASE_INPUTS.c.needed.is_(False))
Index("ix_case_inputs_left", CASE_INPUTS.c.sha256, sqlite_where=_left, postgresql_where=_left)

# Reviews are what people are asked. Those of one kind that the same people must not do stand in one ``lane``, named by these
# people. The next review of a kind is found by walking along the index of due times; where one after the other is for somebody
# else, the first of each lane is looked at instead, so that nobody walks past thousands that he must not do. ``due`` and
# ``lease_until`` are always there, so that they compare: no due time is the last, no lease is one that is over.
REVIEWS = Table(
    "reviews",
    METADATA,
    Column("id", _text(), primary_key=True),
    Column("rollout_id", _text(), nullable=False),
    Column("case_id", _text(), nullable=False),
    Column("kind", _text(), nullable=False),
    Column("round", Integer, nullable=False),
    Column("lane", _text(), nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("place", _text(), nullable=False),
    Column("lease_by", _text()),
    Column("lease_until", BigInteger, nullable=False),
    Column("leased_at", BigInteger),
    Column("held_by", _text()),
    Column("held_at", BigInteger),
    Column("done_at", BigInteger),
    Column("body", Text, nullable=False),
)
WAITS = and_(REVIEWS.c.done_at.is_(None), REVIEWS.c.held_at.is_(None))
"""Tells the reviews that nobody has decided yet."""
_held = and_(REVIEWS.c.done_at.is_(None), REVIEWS.c.held_at.is_not(None))
_leased = and_(WAITS, REVIEWS.c.lease_by.is_not(None))
_R = REVIEWS.c
Index("ix_reviews_case", _R.rollout_id, _R.case_id)
_order = (_R.due, _R.place, _R.id)
Index("ix_reviews_due", _R.rollout_id, _R.kind, *_order, sqlite_where=WAITS, postgresql_where=WAITS)
Index("ix_reviews_lane", _R.rollout_id, _R.kind, _R.lane, *_order, sqlite_where=WAITS, postgresql_where=WAITS)
Index("ix_reviews_leased", _R.rollout_id, _R.lease_until, _R.lease_by, sqlite_where=_leased, postgresql_where=_leased)
_decided = _R.held_by.is_not(None)
Index("ix_reviews_by", _R.rollout_id, _R.held_by, _R.held_at, sqlite_where=_decided, postgresql_where=_decided)
Index("ix_reviews_held", _R.rollout_id, _R.held_at, _R.id, sqlite_where=_held, postgresql_where=_held)

# The lanes there are, each with the number of reviews that wait in it.
REVIEW_LANES = Table(
    "review_lanes",
    METADATA,
    Column("rollout_id", _text(), primary_key=True),
    Column("kind", _text(), primary_key=True),
    Column("lane", _text(), primary_key=True),
    Column("waiting", BigInteger, nullable=False),
)
