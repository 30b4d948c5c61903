"""What the store knows of the time, so that a clock that jumps deletes nothing."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A table of one row, or none yet."""
    op.create_table(
        "calendar",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("trusted_at", sa.BigInteger, nullable=False),
        sa.Column("ahead", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("calendar")
