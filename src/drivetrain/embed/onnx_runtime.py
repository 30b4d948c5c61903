"""The one way to ONNX Runtime in this package; a contract of the layers lets nothing else import it."""

from __future__ import annotations

from typing import Any

FORMAT = ("session.load_model_format", "ONNX")
"""Configuration of every session. Left to itself, the runtime takes bytes that say so at their fifth place for a format of
its own, which nothing here has looked at; the same bytes can be a harmless ONNX file to whoever reads them as one."""


def onnx_runtime() -> Any:
    """The library, silent. Imported when first asked for: it is heavy, and not needed for help or where all is cached.

    The environment (see ``drivetrain.core.privacy``) has kept it from reporting anything; where it was built with the
    system's tracing instead, as older ones for Windows, it heeds this call alone.
    """
    import onnxruntime

    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()
    return onnxruntime
