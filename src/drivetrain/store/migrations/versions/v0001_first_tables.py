"""The first tables. Kept as it is for good: later versions alter what this one made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables of predictions, their labels, images and keys."""
    op.create_table(
        "predictions",
        sa.Column("id", _text(), primary_key=True),
        sa.Column("request_id", _text(), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("model", _text(), nullable=False),
        sa.Column("bundle_id", _text(), nullable=False),
        sa.Column("verdict", _text(), nullable=False),
        sa.Column("label", _text()),
        sa.Column("labels", _text()),
        sa.Column("camera", _text()),
        sa.Column("site", _text()),
        sa.Column("group_name", _text()),
        sa.Column("image_sha256", _text()),
        sa.Column("key_id", _text()),
        sa.Column("confidence", sa.Float(53)),
        sa.Column("p_in_domain", sa.Float(53)),
        sa.Column("queue_s", sa.Float(53)),
        sa.Column("decode_s", sa.Float(53)),
        sa.Column("network_s", sa.Float(53)),
        sa.Column("total_s", sa.Float(53)),
        sa.Column("width", sa.Integer),
        sa.Column("height", sa.Integer),
        sa.Column("taken_at", _text()),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("extra", sa.Text),
    )
    op.create_index("ix_predictions_time", "predictions", [sa.text("(at + 0)"), "id"])
    for name in ("request_id", "model", "bundle_id", "verdict"):
        op.create_index(f"ix_predictions_{name}", "predictions", [name, "at", "id"])
    for name in ("camera", "site", "group_name", "image_sha256"):
        present = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_predictions_{name}",
            "predictions",
            [name, "at", "id"],
            sqlite_where=present,
            postgresql_where=present,
        )
    op.create_table(
        "labels",
        sa.Column("label", _text(), primary_key=True),
        sa.Column("at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("id", _text(), primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "images",
        sa.Column("sha256", _text(), primary_key=True),
        sa.Column("media_type", _text(), nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("kept_at", sa.BigInteger, nullable=False),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_images_kept_at", "images", ["kept_at"])
    op.create_table(
        "keys",
        sa.Column("id", _text(), primary_key=True),
        sa.Column("name", _text(), nullable=False),
        sa.Column("role", _text(), nullable=False),
        sa.Column("secret_sha256", _text(), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("per_minute", sa.BigInteger),
    )
    live = sa.text("revoked_at IS NULL")
    op.create_index("ix_keys_live_name", "keys", ["name"], unique=True, sqlite_where=live, postgresql_where=live)
    op.create_index("ix_keys_secret", "keys", ["secret_sha256"], unique=True)


def downgrade() -> None:
    """Drop all tables."""
    for name in ("keys", "images", "labels", "predictions"):
        op.drop_table(name)
