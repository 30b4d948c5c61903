"""Tables for rollouts: their logs, their cases with inputs, and what people are asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    _make_rollouts()
    _make_cases()
    _make_reviews()


def _make_rollouts() -> None:
    op.create_table(
        "rollouts",
        sa.Column("id", _text(), primary_key=True),
        sa.Column("name", _text(), nullable=False),
        sa.Column("model", _text(), nullable=False),
        sa.Column("bundle_id", _text(), nullable=False),
        sa.Column("stage", _text(), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("paused", sa.Boolean, nullable=False),
        sa.Column("opened_at", sa.BigInteger, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("head", sa.BigInteger, nullable=False),
        sa.Column("head_hash", _text(), nullable=False),
        sa.Column("shadow_of", _text()),
    )
    _make_index("ix_rollouts_live_name", "rollouts", ["name"], "stage != 'ended'", unique=True)
    op.create_table(
        "rollout_lines",
        sa.Column("rollout_id", _text(), primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("case_id", _text()),
        sa.Column("before", _text(), nullable=False),
        sa.Column("hash", _text(), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "rollout_snapshots",
        sa.Column("rollout_id", _text(), primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    _make_index("ix_rollout_lines_case", "rollout_lines", ["rollout_id", "case_id", "number"], "case_id IS NOT NULL")


def _make_cases() -> None:
    op.create_table(
        "cases",
        sa.Column("rollout_id", _text(), primary_key=True),
        sa.Column("id", _text(), primary_key=True),
        sa.Column("case_key", _text(), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("settled", sa.Text),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_index("ix_cases_key", "cases", ["rollout_id", "case_key"], unique=True)
    op.create_table(
        "case_inputs",
        sa.Column("rollout_id", _text(), primary_key=True),
        sa.Column("case_id", _text(), primary_key=True),
        sa.Column("sha256", _text(), primary_key=True),
        sa.Column("needed", sa.Boolean, nullable=False),
        sa.Column("alone", sa.Boolean, nullable=False),
    )
    needed, left = sa.column("needed", sa.Boolean), sa.column("alone", sa.Boolean)
    _make_index("ix_case_inputs_needed", "case_inputs", ["sha256"], needed.is_(True))
    _make_index("ix_case_inputs_left", "case_inputs", ["sha256"], sa.and_(left.is_(True), needed.is_(False)))


def _make_reviews() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", _text(), primary_key=True),
        sa.Column("rollout_id", _text(), nullable=False),
        sa.Column("case_id", _text(), nullable=False),
        sa.Column("kind", _text(), nullable=False),
        sa.Column("round", sa.Integer, nullable=False),
        sa.Column("lane", _text(), nullable=False),
        sa.Column("due", sa.BigInteger, nullable=False),
        sa.Column("place", _text(), nullable=False),
        sa.Column("lease_by", _text()),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("leased_at", sa.BigInteger),
        sa.Column("held_by", _text()),
        sa.Column("held_at", sa.BigInteger),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("body", sa.Text, nullable=False),
    )
    waits = "done_at IS NULL AND held_at IS NULL"
    op.create_index("ix_reviews_case", "reviews", ["rollout_id", "case_id"])
    _make_index("ix_reviews_due", "reviews", ["rollout_id", "kind", "due", "place", "id"], waits)
    _make_index("ix_reviews_lane", "reviews", ["rollout_id", "kind", "lane", "due", "place", "id"], waits)
    _make_index(
        "ix_reviews_leased", "reviews", ["rollout_id", "lease_until", "lease_by"], f"{waits} AND lease_by IS NOT NULL"
    )
    _make_index("ix_reviews_by", "reviews", ["rollout_id", "held_by", "held_at"], "held_by IS NOT NULL")
    _make_index(
        "ix_reviews_held", "reviews", ["rollout_id", "held_at", "id"], "done_at IS NULL AND held_at IS NOT NULL"
    )
    op.create_table(
        "review_lanes",
        sa.Column("rollout_id", _text(), primary_key=True),
        sa.Column("kind", _text(), primary_key=True),
        sa.Column("lane", _text(), primary_key=True),
        sa.Column("waiting", sa.BigInteger, nullable=False),
    )


def _make_index(
    name: str, table: str, columns: list[str], where: str | sa.ColumnElement[bool], unique: bool = False
) -> None:
    condition = sa.text(where) if isinstance(where, str) else where
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def downgrade() -> None:
    """Drop the tables."""
    for name in ("review_lanes", "reviews", "case_inputs", "cases", "rollout_snapshots", "rollout_lines", "rollouts"):
        op.drop_table(name)
