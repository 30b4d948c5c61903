"""The use case behind ``drivetrain app``: check a bundle, then write a folder that somebody else can start."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

from .._version import __version__
from ..core.errors import BundleError, UsageError
from ..model import storage
from ..model.predictor import load
from .folder import check_out, write_folder
from .packing import build_pages
from .pages import Facts, render_pages
from .requirement import WHEELS, read_wheel, requirements, wheel_of_this

# Gradio limits the versions of these packages itself; pinned beside it they may not install at all. The value is the range to
# ask for where Gradio admits no version within drivetrain's own range.
GRADIO_DECIDES: Mapping[str, str | None] = MappingProxyType(
    {"jinja2": None, "numpy": None, "pillow": ">=12.3", "pydantic": None, "typer": None}
)


class Target(StrEnum):
    """The kind of app to make of a bundle."""

    DOCKER = "docker"
    SPACE = "space"
    NOTEBOOK = "notebook"


EXTRAS = {Target.DOCKER: "serve", Target.SPACE: None, Target.NOTEBOOK: "notebook"}


@dataclass(frozen=True)
class HandedOver:
    """The result of a hand-over: the folder and its files."""

    out: Path
    target: Target
    bundle_id: str
    files: tuple[str, ...]
    """The files written, relative to ``out``, without those of the bundle."""
    requirements: tuple[str, ...]
    wheel: str
    """The wheel of drivetrain that travels along, relative to ``out``."""
    next_step: str
    """The command that starts the app, to be given in ``out``."""


_NEXT = {
    Target.DOCKER: "docker build --tag {name} .",
    Target.SPACE: "pip install -r requirements.txt && python app.py",
    Target.NOTEBOOK: "pip install -r requirements.txt && voila app.ipynb",
}


def hand_over(
    bundle: Path,
    target: Target,
    out: Path,
    wheel: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> HandedOver:
    """Write a folder with the bundle, what it needs, and how to start it.

    The bundle's golden images are replayed first. ``wheel`` travels along, by default one of the drivetrain that runs here.
    ``tell`` gets a line for what takes long.

    Raises:
        BundleError: the bundle cannot be trusted or read, or this machine gives other answers than it should.
        UsageError: ``out`` holds something else, ``wheel`` is none, or no wheel can be made of the drivetrain here.
    """
    check_out(out)
    if bundle.is_dir() and out.resolve().is_relative_to(bundle.resolve()):
        raise UsageError(f"{out} lies inside the bundle {bundle}; choose a folder beside it")
    given = read_wheel(wheel) if wheel is not None else None
    predictor = load(bundle)
    sealed = storage.read_sealed(bundle)
    files = sealed.files
    if files[storage.MANIFEST] != predictor.file(storage.MANIFEST):
        raise BundleError(f"{bundle} was replaced while it was read; run it again")
    if given is None and target is Target.DOCKER:
        build_pages(tell)
    packed = given or wheel_of_this()
    space = target is Target.SPACE
    lines = requirements(EXTRAS[target], packed, GRADIO_DECIDES if space else None, by_path=not space)
    python = ".".join(platform.python_version_tuple()[:2])
    travelling = f"{WHEELS}/{packed.name}"
    pages = render_pages(target.value, Facts(predictor.manifest, lines, travelling, packed.version, python))
    pages[travelling] = packed.data
    bundled = {**files, storage.SUMS: sealed.listed}
    if sealed.signature is not None:
        bundled[storage.SIGNATURE] = sealed.signature
    about = {
        "written_by": f"drivetrain {__version__}",
        "target": target.value,
        "bundle_id": predictor.manifest.bundle_id,
        "name": predictor.manifest.name,
    }
    write_folder({**pages, **{f"bundle/{name}": data for name, data in bundled.items()}}, about, out)
    return HandedOver(
        out,
        target,
        predictor.manifest.bundle_id,
        tuple(sorted(pages)),
        lines,
        travelling,
        next_step(target, predictor.manifest.name),
    )


def next_step(target: Target, name: str) -> str:
    """The command that starts the written app, for a bundle of this name."""
    from .pages import slug

    return _NEXT[target].format(name=slug(name))
