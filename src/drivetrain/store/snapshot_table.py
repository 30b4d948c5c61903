"""The store's table of snapshots: the states of rollouts' machines, each after a line of its log."""

from __future__ import annotations

from sqlalchemy import Connection, select

from .indexed import indexed
from .new_row import add_new
from .tables import ROLLOUT_SNAPSHOTS

_S = ROLLOUT_SNAPSHOTS.c


def keep(connection: Connection, rollout_id: str, number: int, state: str) -> None:
    """Keep a state in place of an older one; one of a lesser number than the one kept changes nothing."""
    values = {"rollout_id": indexed(rollout_id), "number": number, "state": state}
    if not add_new(connection, ROLLOUT_SNAPSHOTS, values):
        here = (_S.rollout_id == values["rollout_id"], _S.number <= number)
        connection.execute(ROLLOUT_SNAPSHOTS.update().where(*here).values(number=number, state=state))


def find(connection: Connection, rollout_id: str) -> tuple[int, str] | None:
    """Return number and text of the state that is kept."""
    row = connection.execute(select(_S.number, _S.state).where(_S.rollout_id == indexed(rollout_id))).first()
    return None if row is None else (row.number, row.state)
