"""Alembic runs this module, with the connection that `drivetrain.store.schema` hands over."""

from __future__ import annotations

from alembic import context

from drivetrain.store.schema import VERSION_TABLE
from drivetrain.store.tables import METADATA

connection = context.config.attributes.get("connection")
if connection is None:
    raise RuntimeError("migrations are run with: drivetrain store migrate URL")
# SQLite cannot alter most of a table; in batches Alembic makes a new one and moves the rows.
context.configure(
    connection=connection,
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
