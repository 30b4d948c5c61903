"""The address of a webhook, checked before anything is sent to it. Imports nothing heavy: options are checked with it."""

from __future__ import annotations

from urllib.parse import urlsplit

from ...core.errors import UsageError


def checked_address(url: str) -> str:
    """Return the address.

    >>> checked_address("https://hooks.example/alarms?room=7")
    'https://hooks.example/alarms?room=7'

    Raises:
        UsageError: it is none that a message can be posted to.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # a port that is no number shows only when it is asked for
    except ValueError as error:
        raise UsageError(f"--webhook is no address ({error}); write it as https://host/path") from None
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        kind = f"of the kind {parts.scheme[:20]!r}" if parts.scheme else "without a kind"
        raise UsageError(f"--webhook is an address {kind}; it must be http:// or https:// and a host, in ASCII")
    if "@" in parts.netloc:
        raise UsageError(
            "--webhook holds a user or password, which would be shown among the processes; messages are signed instead"
        )
    return url


def shown_address(url: str) -> str:
    """Write an address for the log: many keep a secret in their path.

    >>> shown_address("https://hooks.example:8443/T0/secret?key=7")
    'https://hooks.example:8443/…'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/…"
