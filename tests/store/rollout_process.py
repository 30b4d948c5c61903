"""A process that works at a rollout in a store: ``rollout_process.py PLACE log|lease|decide NAME COUNT``.

``log`` writes events of two lines each, with a case and a review, and says the number of each once it is written; ``lease`` takes
reviews until there are none, and says which; ``decide`` takes a review, holds a decision, and says so once it is kept.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from made_rollouts import KINDS, ROLLOUT, START, at, made_body, made_case, made_decision, made_input, made_review

from drivetrain.store.sql_store import SqlStore, open_store


def tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def write(store: SqlStore, name: str, count: int) -> None:
    for number in range(count):
        key = int(name) + number
        with store.rollout_log(ROLLOUT) as log:
            log.append(at(number), made_body(key, part=0), made_case(key).id)
            log.add_case(made_case(key), [made_input(key, b"x" * 2000)])
            log.add_reviews([made_review(key)])
            log.append(at(number), made_body(key, part=1), made_case(key).id)
        tell(str(key))


def lease(store: SqlStore, name: str, _count: int) -> None:
    found: list[str] = []
    while (review := store.lease_review(ROLLOUT, name, KINDS, START, at(15), skip=found)) is not None:
        found.append(review.id)
        tell(review.id)


def decide(store: SqlStore, name: str, _count: int) -> None:
    while (review := store.lease_review(ROLLOUT, name, KINDS, START, at(15))) is not None:
        with store.rollout_log(ROLLOUT) as log:
            mine = log.review(review.id)
            assert mine is not None
            assert mine.lease_by == name
            assert mine.held is None
            log.update_review(replace(mine, held=made_decision(name)))
            log.append(START, made_body(0, by=name, review=mine.id), mine.case_id)
        tell(review.id)


def main() -> None:
    place, what, name, count = sys.argv[1:5]
    store = open_store(place)
    tell("open")
    {"log": write, "lease": lease, "decide": decide}[what](store, name, int(count))
    store.close()


if __name__ == "__main__":
    main()
