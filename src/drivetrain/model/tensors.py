"""Named arrays in the safetensors format, from a bundle's bytes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..core.errors import SchemaError

# The longest header, which is JSON: the library parses up to 100 MB of it, but a bundle's few arrays need a few hundred bytes.
MAX_HEADER_BYTES = 1 << 16


def load_tensors(data: bytes, name: str) -> dict[str, NDArray[Any]]:
    """Load the arrays of one file, called ``name`` in messages; they take no more memory than its bytes.

    Raises:
        SchemaError: not safetensors.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    header = int.from_bytes(data[:8], "little")
    if header > MAX_HEADER_BYTES:
        raise SchemaError(f"{name} is malformed: a header of {header} bytes; at most {MAX_HEADER_BYTES}")
    try:
        found: dict[str, NDArray[Any]] = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SchemaError(f"{name} is malformed: {' '.join(str(error).split())[:300]}") from None
    return found
