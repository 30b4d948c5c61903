"""Columns for inputs of any kind: hash and facts instead of an image's hash, width and height; inputs instead of images.

SQLite cannot change a column, and only newer ones drop one, so there the rows move to a new table, once. In PostgreSQL the
column of widths becomes that of the facts, which writes the table anew once as well.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FACTS = """CASE
    WHEN width IS NULL AND height IS NULL THEN NULL
    WHEN height IS NULL THEN '{"width":' || width || '}'
    WHEN width IS NULL THEN '{"height":' || height || '}'
    ELSE '{"width":' || width || ',"height":' || height || '}'
END"""
_BEFORE = "id, request_id, at, model, bundle_id, verdict, label, labels, camera, site, group_name"
_BETWEEN = "key_id, confidence, p_in_domain, queue_s, decode_s, network_s, total_s"
_AFTER = "taken_at, answer, extra"


def upgrade() -> None:
    """Rename columns, and put width and height into one JSON text."""
    op.rename_table("images", "inputs")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX images_pkey RENAME TO inputs_pkey")
        op.execute("ALTER INDEX ix_images_kept_at RENAME TO ix_inputs_kept_at")
        op.execute("ALTER INDEX ix_predictions_image_sha256 RENAME TO ix_predictions_input_sha256")
        op.execute("ALTER TABLE predictions RENAME COLUMN image_sha256 TO input_sha256")
        op.execute(f"ALTER TABLE predictions ALTER COLUMN width TYPE text USING {_FACTS}")
        op.execute("ALTER TABLE predictions RENAME COLUMN width TO facts")
        op.execute("ALTER TABLE predictions DROP COLUMN height")
        return
    op.drop_index("ix_images_kept_at")
    op.create_index("ix_inputs_kept_at", "inputs", ["kept_at"])
    _move_predictions()


def _move_predictions() -> None:
    """Move the rows of SQLite's table, in their order, to one with the new columns, as rows are found by their numbers."""
    op.create_table(
        "predictions_0003",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("bundle_id", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("label", sa.Text),
        sa.Column("labels", sa.Text),
        sa.Column("camera", sa.Text),
        sa.Column("site", sa.Text),
        sa.Column("group_name", sa.Text),
        sa.Column("input_sha256", sa.Text),
        sa.Column("key_id", sa.Text),
        sa.Column("confidence", sa.Float(53)),
        sa.Column("p_in_domain", sa.Float(53)),
        sa.Column("queue_s", sa.Float(53)),
        sa.Column("decode_s", sa.Float(53)),
        sa.Column("network_s", sa.Float(53)),
        sa.Column("total_s", sa.Float(53)),
        sa.Column("facts", sa.Text),
        sa.Column("taken_at", sa.Text),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("extra", sa.Text),
    )
    op.execute(
        f"INSERT INTO predictions_0003 ({_BEFORE}, input_sha256, {_BETWEEN}, facts, {_AFTER}) "
        f"SELECT {_BEFORE}, image_sha256, {_BETWEEN}, {_FACTS}, {_AFTER} FROM predictions ORDER BY rowid"
    )
    op.drop_table("predictions")  # the indexes go with it
    op.rename_table("predictions_0003", "predictions")
    op.create_index("ix_predictions_time", "predictions", [sa.text("(at + 0)"), "id"])
    for name in ("request_id", "model", "bundle_id", "verdict"):
        op.create_index(f"ix_predictions_{name}", "predictions", [name, "at", "id"])
    for name in ("camera", "site", "group_name", "input_sha256"):
        op.create_index(
            f"ix_predictions_{name}", "predictions", [name, "at", "id"], sqlite_where=sa.text(f"{name} IS NOT NULL")
        )


def downgrade() -> None:
    """Refuse: facts of other inputs have no place in the older tables."""
    raise NotImplementedError("an older version cannot read these tables; restore the backup")
