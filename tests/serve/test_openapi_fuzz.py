"""The server's own OpenAPI document, taken at its word: schemathesis sends what it allows, and what it forbids.

Examples, every keyword at its bounds, and random cases, over every operation; each answer goes through all checks there are.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from odd_values import MODEL, VERSION
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema
from schemathesis.python.asgi import shutdown_lifespans

from drivetrain.serve.application import create_app
from drivetrain.serve.options import ServeOptions
from drivetrain.serve.start import build

CASES = 20
"""Random ones an operation; what stands at the bounds of each keyword comes on top."""

# What may be refused although the document allows it. Each has a rule that JSON Schema cannot say.
BEYOND_SCHEMA = {
    "POST /v1/predict": "the field metadata is a text that holds JSON, and a form's parts are counted",
    "POST /v1/explain": "an image must be readable to be explained, and output is one of the model's own",
    "POST /v2/models/{name}/infer": "shape and data belong together, and outputs are the model's own",
    "POST /v2/models/{name}/versions/{version}/infer": "as above",
    "GET /v1/predictions": "a cursor is what a page before gave",
    "GET /v1/labels": "as above",
    "GET /v1/monitor/alarms": "as above",
    "POST /v1/predictions/{record_id}/label": "one of label, labels and values is given, in the form of the prediction's answer",
    "POST /v1/monitor/alarms/{alarm_id}/clear": "where no key says who clears it, by has to",
    "POST /v1/cases": "the field case is a text that holds JSON, a case has a key, and an image is base64",
    **{
        f"POST /v1/rollouts/{{name}}/{turn}": "where no key says who turns it, by has to"
        for turn in ("advance", "pause", "resume", "rollback", "clear", "end")
    },
}


def _exclusions() -> list[dict[str, Any]]:
    return [
        {"include-name": name, "checks": {"positive_data_acceptance": {"enabled": False}}} for name in BEYOND_SCHEMA
    ]


CONFIG: dict[str, Any] = {
    "seed": 4,
    "continue-on-failure": True,
    # Of another host nothing is answered but 403.
    "base-url": "http://localhost",
    "headers": {"Host": "localhost"},
    "generation": {"max-examples": CASES, "deterministic": True, "no-shrink": True, "database": "none"},
    # No operation links to another, so there is no state to walk through.
    "phases": {"stateful": {"enabled": False}},
    # The model that is served: nearly every answer would be a 404 else, and those are had elsewhere.
    "parameters": {"path.name": MODEL, "path.version": VERSION},
    "operations": _exclusions(),
    # A request may ask for its answer within a millisecond, and be told that there was none; `test_fuzz` looks at reasons.
    "checks": {"not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]}},
}


# Pillow warns of what it finds in damaged files.
@pytest.mark.thorough
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_document_is_kept(tmp_path: Path, kept: Path) -> None:
    """No answer departs from the document, and nothing it forbids is accepted."""
    app = create_app(
        build(ServeOptions(bundles=(str(kept),), store=str(tmp_path / "store.db"), images="keep", watch_s=None))
    )
    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", app, config=SchemathesisConfig.from_dict(CONFIG), headers={"Host": "localhost"}
    )
    faults: dict[str, str] = {}
    asked: Counter[str] = Counter()
    for event in from_schema(schema).execute():
        match event:
            case events.NonFatalError() | events.FatalError():
                faults[repr(event)[:2000]] = ""
            case events.ScenarioFinished(recorder=recorder):
                asked[recorder.label] += len(recorder.interactions)
                for check in (check for found in recorder.checks.values() for check in found):
                    if check.failure_info is not None:
                        failure = check.failure_info.failure
                        key = f"{recorder.label} {check.name}: {failure.title}: {failure.message[:300]}"
                        faults.setdefault(key, check.failure_info.code_sample[:2000])
    shutdown_lifespans()  # which would keep the application to the end of the process
    if faults:
        pytest.fail("\n\n".join(f"{key}\n{sample}" for key, sample in faults.items()), pytrace=False)
    operations = {f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods}
    assert set(asked) == operations
    assert asked.total() > 40 * len(operations)
