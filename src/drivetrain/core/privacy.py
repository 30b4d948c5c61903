"""Nothing is reported to anybody: libraries that would report how they are used are told not to, before any is imported.

ONNX Runtime 1.29 and newer writes an identifier below the user's home and looks up its collector when it is merely
imported; what it reads is the environment, once. ``drivetrain/__init__.py`` is what every import of this package passes
first, so it is the one place that calls this, and whatever a process starts inherits it.
"""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from types import MappingProxyType

SWITCHES = MappingProxyType(
    {
        "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime; takes 0, false and an empty text as leave to report
        "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub; what is asked for is still fetched
        "GRADIO_ANALYTICS_ENABLED": "False",
        "RAY_USAGE_STATS_ENABLED": "0",
        "DO_NOT_TRACK": "1",  # a switch that several libraries have agreed on
    }
)
"""Environment variable to the value that ends reporting."""


def report_nothing(environment: MutableMapping[str, str]) -> None:
    """Set every switch, over any value already there: a variable left over from elsewhere must not turn reporting on.

    A program that has imported ONNX Runtime before has let it report its start, which cannot be undone; it is told to
    stay silent from here on, about models above all.
    """
    environment.update(SWITCHES)
    earlier = sys.modules.get("onnxruntime")
    if earlier is not None and hasattr(earlier, "disable_telemetry_events"):
        earlier.disable_telemetry_events()
