"""The slices of a case that have gates of their own."""

from __future__ import annotations

from collections.abc import Mapping

from ..policy import Policy

MOST_VALUES = 100
"""The values of one column that are looked at by themselves; those that come later share `OTHERS`."""
OTHERS = "(others)"


class Slices:
    """The names of slices, ``site=north``, of the columns that the policy names; in scope, where it limits a column."""

    __slots__ = ("_columns", "_known", "_scope")

    def __init__(self, policy: Policy) -> None:
        self._columns = policy.cases.slices
        self._scope = {column: frozenset(values) for column, values in policy.supervised.scope.slices.items()}
        self._known: dict[str, dict[str, str]] = {column: {} for column in self._columns}

    def of(self, values: Mapping[str, str]) -> tuple[str, ...]:
        """Return the slices that a case belongs to; a column that it does not state is ``site=(none)``.

        A value that the scope leaves out is no slice: the model never acts there, and so needs to show nothing.
        """
        if not self._columns:
            return ()
        names = []
        for column in self._columns:
            value = values.get(column, "(none)")
            if column in self._scope and value not in self._scope[column]:
                continue
            known = self._known[column]
            name = known.get(value)
            if name is None:
                full = len(known) >= MOST_VALUES
                name = f"{column}={OTHERS if full else value}"
                if not full:
                    known[value] = name
            names.append(name)
        return tuple(names)

    def to_json(self) -> dict[str, list[str]]:
        """Return the state."""
        return {column: list(known) for column, known in self._known.items()}

    def load(self, state: Mapping[str, list[str]]) -> None:
        """Go on from a state."""
        self._known = {column: {value: f"{column}={value}" for value in values} for column, values in state.items()}
