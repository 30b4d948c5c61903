"""OpenTelemetry, where its packages are installed: ``opentelemetry-instrumentation-fastapi`` and an exporter.

Configured as everywhere, by the environment (``OTEL_SERVICE_NAME``, ``OTEL_EXPORTER_OTLP_ENDPOINT``, …), which
``opentelemetry-instrument drivetrain serve …`` reads; without that, nobody would get the spans and none are made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider


def instrument(app: FastAPI, provider: TracerProvider | None = None) -> bool:
    """Trace every request, for ``provider`` or the one that was set up; False where there is none, or no packages."""
    try:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
        from opentelemetry.sdk import trace
        from opentelemetry.trace import get_tracer_provider
    except ImportError:
        return False
    if not isinstance(provider or get_tracer_provider(), trace.TracerProvider):
        return False
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls="/v2/health/.*,/metrics",
        # A span for every piece of a body would be a thousand for a large one.
        exclude_spans=["receive", "send"],
    )
    return True


def is_traced(app: FastAPI) -> bool:
    """Tells whether `instrument` did something."""
    return bool(getattr(app, "_is_instrumented_by_opentelemetry", False))
