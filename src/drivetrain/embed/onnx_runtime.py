"""The one way to ONNX Runtime in this package; a contract of the layers lets nothing else import it."""

from __future__ import annotations

from typing import Any

FORMAT = ("session.load_model_format", "ONNX")
"""Configuration of every session. By default the runtime takes bytes with a certain mark from the fifth byte on for a format
of its own, which nothing here has checked; the same bytes can be a harmless ONNX file to a reader of ONNX."""


def onnx_runtime() -> Any:
    """Import the library and silence it. It is heavy, so it is loaded when first needed: help and cached runs do without.

    The environment (see ``drivetrain.core.privacy``) has kept it from reporting anything; where it was built with the
    system's tracing instead, as older ones for Windows, it heeds this call alone.
    """
    import onnxruntime

    if hasattr(onnxruntime, "disable_telemetry_events"):
        onnxruntime.disable_telemetry_events()
    return onnxruntime
