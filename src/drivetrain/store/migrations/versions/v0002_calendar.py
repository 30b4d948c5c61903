"""The table of the store's trusted time, so that a clock that jumps deletes nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, which has one row, or none yet."""
    op.create_table(
        "calendar",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("trusted_at", sa.BigInteger, nullable=False),
        sa.Column("ahead", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("calendar")
