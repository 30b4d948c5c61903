"""The registry of inputs, by the ``type`` that a manifest names."""

from __future__ import annotations

from .image import ImageInput
from .input import Input

INPUTS: dict[str, type[Input]] = {"image": ImageInput}


def modules() -> tuple[str, ...]:
    """List the modules of inputs that were registered from elsewhere, which another process imports to know them, too."""
    return tuple(sorted({form.__module__ for form in INPUTS.values()} - {ImageInput.__module__}))


def register(form: type[Input]) -> None:
    """Register an input, so that its bundles can be read and written; ``form`` has a literal ``type`` with a default.

    Call it where the class is defined, on import: a bundle is first loaded by a process of its own, which imports that module.

    Raises:
        ValueError: another input has that type.
    """
    type_ = form.model_fields["type"].default
    if INPUTS.setdefault(type_, form) is not form:
        raise ValueError(f"the type “{type_}” is that of {INPUTS[type_].__name__}")
