"""OpenTelemetry, where its packages are installed: ``opentelemetry-instrumentation-fastapi`` and an exporter.

Configured as everywhere, by the environment (``OTEL_SERVICE_NAME``, ``OTEL_EXPORTER_OTLP_ENDPOINT``, …).
"""

from __future__ import annotations

from fastapi import FastAPI


def instrument(app: FastAPI) -> bool:
    """Trace every request; False where the packages are not there."""
    try:
        from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    except ImportError:
        return False
    FastAPIInstrumentor.instrument_app(app, excluded_urls="/v2/health/.*,/metrics")
    return True
