"""A path as somebody gave it: a file or folder of this machine, or an address, which is refused with advice.

`Path` folds the two slashes of an address into one, so what is given is looked at before it becomes a `Path`; one that
has been folded already is shown with both.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from .errors import UsageError

# An address has at least two letters before the colon: “C:/photos” is a drive of Windows.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)

# By scheme: what such an address is called, and how its content is fetched. Other schemes get general words.
_SCHEMES = {
    **dict.fromkeys(("http", "https", "ftp"), ("a web address", "download it")),
    "s3": ("an address of cloud storage", "download it (aws s3 cp)"),
    "gs": ("an address of cloud storage", "download it (gcloud storage cp)"),
    "hf": ("an address on the Hugging Face hub", "download it (hf download)"),
}


def local_path(text: str | os.PathLike[str]) -> Path:
    """Return the path that is meant; a ``~`` in front stands for the home folder where nothing has that very name.

    Raises:
        UsageError: it is an address on the web or in a cloud, or a hyphen, which would mean standard input.
    """
    given = os.fspath(text)
    if reason := not_local(given):
        raise UsageError(reason)
    if given.startswith("~") and not os.path.lexists(given):
        given = os.path.expanduser(given)  # noqa: PTH111  # a home that is not known leaves it as it is
    return Path(given)


def not_local(given: str) -> str | None:
    """Say why a text is no local path, in a line for its author; None where it is one, whether or not it exists.

    >>> print(not_local("https://example.org/bear.jpg"))
    https://example.org/bear.jpg is a web address; download it and give its path: only files and folders are read
    """
    if not given:
        return "a path is empty; give a file or folder"
    if given == "-":
        return "- would mean standard input or output; give the path of a file or folder (./- for one of that name)"
    found = _ADDRESS.match(given)
    if found is None or os.path.lexists(given):
        return None
    scheme, rest = found[1].lower(), found[2]
    if scheme == "file":
        return f"{_whole(found)} is the address of a file; give its path: /{unquote(rest.removeprefix('localhost/'))}"
    kind, fetch = _SCHEMES.get(scheme, ("an address", "fetch it"))
    return f"{_whole(found)} is {kind}; {fetch} and give its path: only files and folders are read"


def _whole(found: re.Match[str]) -> str:
    """The whole address, with the slashes that `Path` would have taken away put back."""
    text = found[0]
    return text if "://" in text else f"{found[1]}:{'///' if found[1].lower() == 'file' else '//'}{found[2]}"
