"""Holds answers of the server against its OpenAPI document, and remembers what was answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from direct import Answer, Sent
from odd_forms import PREDICT
from odd_requests import INFER, INFER_VERSION


@dataclass
class Judge:
    """Called with each request and its answer. ``folder`` is where what was sent is left if something is wrong."""

    document: dict[str, Any]
    folder: Path
    answered: dict[str, str] = field(default_factory=dict)
    """Record id → SHA-256 of the image."""
    read: set[str] = field(default_factory=set)
    """SHA-256 of the images that could be read."""
    inferred: Counter[str] = field(default_factory=Counter)
    """Request id → images answered by the inference protocol."""
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    _schemas: dict[str, Any] = field(default_factory=dict)

    def __call__(self, sent: Sent, answer: Answer) -> None:
        """Note an answer.

        Raises:
            AssertionError: it is not as promised; what was sent is in the message and in a file.
        """
        self.statuses[sent.route, answer.status] += 1
        fault = self.fault(sent, answer)
        if fault is not None:
            (self.folder / "sent.txt").write_text(sent.dump())
            pytest.fail(
                f"{fault}\n{answer.status} {answer.headers}\n{answer.body[:2000]!r}\n{sent.dump()[:8000]}",
                pytrace=False,
            )

    def fault(self, sent: Sent, answer: Answer) -> str | None:
        """What is wrong with an answer."""
        if not answer.header("x-request-id"):
            return "no request id"
        for name, value in answer.headers.items():
            if b"\r" in value or b"\n" in value or b"evil" in name:
                return "a header was injected"
        if answer.header("x-content-type-options") != "nosniff" or not answer.header("content-security-policy"):
            return "a header that protects browsers is missing"
        operation = self.document["paths"].get(sent.route, {}).get(sent.method.lower())
        announced = operation["responses"].get(str(answer.status)) if operation else {}
        if announced is None:
            return f"{answer.status} is not announced for {sent.method} {sent.route}"
        if sent.method == "HEAD":
            return "an answer to HEAD with a body" if answer.body else None
        if answer.status >= 300:
            return self._refused(sent, answer, announced, documented=operation is not None)
        if operation is not None:
            return self._given(sent, answer, announced)
        return None

    def _refused(self, sent: Sent, answer: Answer, announced: dict[str, Any], *, documented: bool) -> str | None:
        if answer.header("content-type") != "application/problem+json":
            return "a refusal that is no problem"
        problem = answer.json()
        slug = str(problem["type"]).removeprefix("urn:drivetrain:problem:")
        if (
            problem["status"] != answer.status
            or not problem["detail"]
            or problem["request_id"] != answer.header("x-request-id")
        ):
            return "a problem that does not fit its answer"
        # Nothing here overloads a server, so a 503 has but one reason: the caller would not wait.
        if answer.status >= 500 and not (slug == "deadline" and b"timeout_ms" in sent.query):
            return f"{answer.status} {slug} without a reason"
        if documented and slug not in announced["content"]["application/problem+json"]["examples"]:
            return f"the problem {slug} is not announced"
        return self._invalid({"$ref": "#/components/schemas/ProblemDetail"}, problem)

    def _given(self, sent: Sent, answer: Answer, announced: dict[str, Any]) -> str | None:
        kind = answer.header("content-type").partition(";")[0]
        kinds = announced.get("content", {})
        if kind not in kinds and f"{kind.partition('/')[0]}/*" not in kinds:
            return f"the kind {kind} is not announced"
        if kind != "application/json":
            return None
        given = answer.json()
        if sent.route == PREDICT:
            for one in given["predictions"]:
                if one["id"] in self.answered:
                    return "an id was given twice"
                self.answered[one["id"]] = one["input_sha256"]
                if one["error"] is None:
                    self.read.add(one["input_sha256"])
        elif sent.route in (INFER, INFER_VERSION):
            self.inferred[answer.header("x-request-id")] += given["outputs"][0]["shape"][0] if given["outputs"] else 0
        return self._invalid(kinds[kind].get("schema", {}), given)

    def _invalid(self, schema: dict[str, Any], given: Any) -> str | None:
        """How a document departs from its schema."""
        validator = self._schemas.get(str(schema))
        if validator is None:
            whole = {**schema, "components": self.document["components"]}
            validator = self._schemas[str(schema)] = jsonschema_rs.validator_for(whole)
        error = next(iter(validator.iter_errors(given)), None)
        return None if error is None else f"not as its schema says: {error.message[:300]}"
