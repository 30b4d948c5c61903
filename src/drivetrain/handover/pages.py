"""The written files of each kind of app. Values from a bundle are quoted for the language of the file they go into."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..core.visible import visible
from ..model.card import HUB_LICENCES
from ..model.kinds.kind import few
from ..model.manifest import Manifest

PORT = 8000
USER_ID = 10001
"""The container's user: a number, so that Kubernetes can see that it is not root."""

GRADIO = "6.31.0"
"""The Gradio that the Space was tried with."""

# The newest patch release of each Python at the time of writing: an image is named by a tag that does not move on.
IMAGES = {"3.11": "3.11.14", "3.12": "3.12.12", "3.13": "3.13.9", "3.14": "3.14.0"}
DEBIAN = "slim-bookworm"

_FILES = {
    "docker": ("Dockerfile", ".dockerignore", "compose.yaml", "requirements.txt", "README.md"),
    "space": ("app.py", ".gitattributes", "requirements.txt", "README.md"),
    "notebook": ("app.ipynb", "voila.json", "requirements.txt", "README.md"),
}


@dataclass(frozen=True)
class Facts:
    """The values that the pages show."""

    manifest: Manifest
    requirements: tuple[str, ...]
    wheel: str
    """Path of the wheel inside the folder."""
    drivetrain: str
    """The version that is handed over."""
    python: str
    """The version of Python that the bundle was checked with, such as ``3.11``."""


def render_pages(kind: str, facts: Facts) -> dict[str, bytes]:
    """Render the files of a ``kind`` (docker, space or notebook), by name, without the bundle and the wheel."""
    import jinja2  # imported here, as it costs 50 ms

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=False,  # no page is HTML; each language has its own filter
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(markdown=markdown, yaml=yaml_text, docker=docker_text, comment=_plain)
    manifest = facts.manifest
    image = IMAGES.get(facts.python, IMAGES["3.13"])
    values: Mapping[str, object] = {
        "facts": facts,
        "manifest": manifest,
        "slug": slug(manifest.name),
        "licence": hub_licence(manifest.backbone.licence),
        "image": f"python:{image}-{DEBIAN}",
        "port": PORT,
        "user_id": USER_ID,
        "gradio": GRADIO,
        "what": _what(manifest),
    }
    return {
        name: environment.get_template(str(PurePosixPath(kind) / f"{name}.j2")).render(values).encode()
        for name in _FILES[kind]
    }


def slug(name: str) -> str:
    """Turn a name into one for images and repositories.

    >>> slug("Grizzly / Teddy (2)"), slug("熊")
    ('grizzly-teddy-2', 'model')
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "model"


def hub_licence(licence: str) -> str:
    """Return Hugging Face's identifier of a licence; ``other`` where it knows none."""
    return licence.lower() if licence.lower() in HUB_LICENCES else "other"


def markdown(text: str) -> str:
    """Quote text for Markdown, so that it stays text.

    >>> markdown("a*b <i>")
    'a\\\\*b \\\\<i\\\\>'
    """
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#&~!" else c for c in _plain(text))


def yaml_text(text: str) -> str:
    """Quote text as a YAML scalar: a JSON string, which YAML reads as it is."""
    return json.dumps(_plain(text), ensure_ascii=False)


def docker_text(text: str) -> str:
    """Quote a value for a Dockerfile: in double quotes, with nothing in it expanded.

    >>> print(docker_text('the "best" of $HOME'))
    "the \\"best\\" of \\$HOME"
    """
    return '"' + re.sub(r'([\\"$`])', r"\\\1", _plain(text)) + '"'


def _plain(text: str) -> str:
    """Put text on one line, without characters that cannot be printed."""
    return visible(" ".join(text.split()))


def _what(manifest: Manifest) -> str:
    return manifest.kind.words.tells.format(names=few([markdown(name) for name in manifest.outputs]))
