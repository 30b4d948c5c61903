"""A store with a rollout of the committed bundle of colours, as a server would have left it: cases with pictures, and its log."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from coloured import COLOURS
from drivetrain.core.case import Case, ModelAnswer
from drivetrain.core.records import StoredInput
from drivetrain.core.rollout_records import GENESIS, RolloutRow
from drivetrain.model.predictor import Predictor
from drivetrain.rollout.assignment import commitment
from drivetrain.rollout.draw import Draw, Route
from drivetrain.rollout.event_json import about, to_body
from drivetrain.rollout.events import Arrived, Event, Opened
from drivetrain.rollout.policy import Policy
from drivetrain.store.sql_store import SqlStore
from field_log import START, moment

SALT = b"s" * 32


def picture(colour: str, seed: int) -> bytes:
    """A picture of a colour, in a pattern of its own."""
    rng = np.random.default_rng((seed, list(COLOURS).index(colour)))
    patches = np.clip(np.array(COLOURS[colour]) + rng.integers(-28, 29, (6, 6, 3)), 0, 255).astype(np.uint8)
    data = io.BytesIO()
    Image.fromarray(patches).resize((48, 48), Image.Resampling.NEAREST).save(data, "PNG")
    return data.getvalue()


def write_rollout(
    store: SqlStore, champion: Predictor, name: str, rollout_id: str, shadow_of: str | None = None
) -> RolloutRow:
    """Open a rollout whose log has its first line."""
    manifest = champion.manifest
    policy = Policy(name=name, model="colours")
    row = RolloutRow(
        rollout_id, name, "colours", manifest.bundle_id, "parallel", 0, False, START, SALT, 0, GENESIS, shadow_of
    )
    row = store.open_rollout(row)
    opened = Opened(
        START, "ada", policy.model_dump(mode="json"), manifest.bundle_id, manifest.outputs, commitment(SALT)
    )
    write_events(store, rollout_id, [opened])
    return row


def write_case(
    store: SqlStore, rollout_id: str, number: int, colour: str, draw: Draw | None = None, data: bytes | None = None
) -> Arrived:
    """Let case ``number`` arrive, a minute after the one before, with the picture of a colour."""
    data = picture(colour, number) if data is None else data
    sha256 = hashlib.sha256(data).hexdigest()
    case = Case(f"{number:032x}", f"case {number}", moment(number), (sha256,))
    answer = ModelAnswer(colour, 0.9, None, True, True, 0.01, "0" * 16)
    event = Arrived(moment(number), case, answer, draw or Draw(Route.BLIND))
    with store.rollout_log(rollout_id) as log:
        log.add_case(case, [StoredInput(sha256, data, "image/png")])
        log.append(event.at, to_body(event), case.id)
    return event


def write_events(store: SqlStore, rollout_id: str, events: Iterable[Event]) -> None:
    """Append events to a log."""
    with store.rollout_log(rollout_id) as log:
        for event in events:
            log.append(event.at, to_body(event), about(event))


def draw_old(root: Path, each: int) -> Path:
    """``<colour>/NN.png``: what was trained on before."""
    for colour in COLOURS:
        (root / colour).mkdir(parents=True)
        for index in range(each):
            (root / colour / f"{index:02}.png").write_bytes(picture(colour, 5000 + index))
    return root
