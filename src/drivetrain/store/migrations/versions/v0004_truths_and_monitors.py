"""Tables for what people tell to be right, for monitors, their alarms and notices, and for the order in which all was stored.

The predictions that are there already get their places in that order by their time.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_AT_ONCE = 1000
_SEPARATOR = "\x1f"


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables, and give the predictions their places."""
    _make_feed()
    _make_truths()
    _make_monitors()
    _make_notices()


def _make_feed() -> None:
    op.create_table(
        "feed",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("predictions", sa.Text),
        sa.Column("truth", _text()),
        sqlite_autoincrement=True,
    )
    feed = sa.table("feed", sa.column("predictions", sa.Text))
    page = sa.text("SELECT id, at FROM predictions WHERE at + 0 >= :at AND (at + 0, id) > (:at, :id) "
                   "ORDER BY at + 0, id LIMIT :most")  # fmt: skip
    bind = op.get_bind()
    at, last = -(1 << 63), ""
    while rows := bind.execute(page, {"at": at, "id": last, "most": _AT_ONCE}).all():
        bind.execute(feed.insert(), {"predictions": _SEPARATOR.join(row.id for row in rows)})
        last, at = rows[-1].id, rows[-1].at


def _make_truths() -> None:
    op.create_table(
        "truths",
        sa.Column("id", _text(), primary_key=True),
        sa.Column("prediction_id", _text(), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("model", _text(), nullable=False),
        sa.Column("bundle_id", _text(), nullable=False),
        sa.Column("how", _text(), nullable=False),
        sa.Column("told_by", _text(), nullable=False),
        sa.Column("named", _text()),
        sa.Column("told", sa.Text, nullable=False),
    )
    op.create_index("ix_truths_time", "truths", ["at", "id"])
    for name in ("prediction_id", "model", "bundle_id"):
        op.create_index(f"ix_truths_{name}", "truths", [name, "at", "id"])


def _make_monitors() -> None:
    op.create_table(
        "monitors",
        sa.Column("model", _text(), primary_key=True),
        sa.Column("bundle_id", _text(), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "alarms",
        sa.Column("id", _text(), primary_key=True),
        sa.Column("model", _text(), nullable=False),
        sa.Column("raised", sa.BigInteger, nullable=False),
        sa.Column("cleared", sa.BigInteger),
        sa.Column("alarm", sa.Text, nullable=False),
    )
    standing = sa.text("cleared IS NULL")
    op.create_index("ix_alarms_raised", "alarms", ["raised", "id"])
    op.create_index("ix_alarms_standing", "alarms", ["raised", "id"], sqlite_where=standing, postgresql_where=standing)


def _make_notices() -> None:
    op.create_table(
        "notices",
        sa.Column("id", _text(), primary_key=True),
        sa.Column("alarm_id", _text(), nullable=False),
        sa.Column("event", _text(), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_at", sa.BigInteger),
        sa.Column("delivered_at", sa.BigInteger),
        sa.Column("last_error", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
    )
    due = sa.text("next_at IS NOT NULL")
    op.create_index("ix_notices_alarm", "notices", ["alarm_id", "at", "id"])
    op.create_index("ix_notices_due", "notices", ["next_at", "id"], sqlite_where=due, postgresql_where=due)


def downgrade() -> None:
    """Drop the tables."""
    for name in ("notices", "alarms", "monitors", "truths", "feed"):
        op.drop_table(name)
