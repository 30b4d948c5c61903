"""What an input's headers say of its size, looked at before it is queued."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...model.inputs.input import Input
from ..http.problems import Fault, Place, Problem
from ..work.job import Upload

# What is larger in all is not looked at on the event loop, however quick each may be.
QUICK = 128 << 10


async def sizes_checked(form: Input, uploads: Sequence[Upload], most: int, place: Place = ("images",)) -> None:
    """As `check_sizes`, and never for long on the event loop.

    Raises:
        Problem: one is too large (422).
    """
    quick = all(form.size_is_quick(upload.data) for upload in uploads if upload.data)
    if quick and sum(len(upload.data) for upload in uploads) <= QUICK:
        check_sizes(form, uploads, most, place)
    else:
        await asyncio.to_thread(check_sizes, form, uploads, most, place)


def check_sizes(form: Input, uploads: Sequence[Upload], most: int, place: Place = ("images",)) -> None:
    """Refuse a request with inputs that would be read to more than ``most`` values a channel; ``place`` is where it holds them.

    Each such input is named, so that a client can send the others. What has no readable header passes: it will be answered
    as unreadable. Reading has the same bound.

    Raises:
        Problem: one is too large (422).
    """
    named = []
    faults = []
    for number, upload in enumerate(uploads):
        fault = form.size_fault(upload.data, most)
        if fault is not None:
            named.append(f"{form.noun} {number + 1} ({upload.name or 'without a name'}) has {fault}")
            faults.append(Fault(loc=(*place, number), msg=fault))
    if faults:
        more = f" ({len(faults) - 1} more are too large)" if len(faults) > 1 else ""
        raise Problem("unprocessable", named[0] + more, errors=faults)
