"""Ctrl-C while a run goes on: the run is asked to stop, and what has come is written and counted to the end.

An exception at any moment could fall between a line of the record and the file that it is about. A second Ctrl-C is one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from .clock import Clock


@contextmanager
def stopping_on_ctrl_c(clock: Clock) -> Iterator[None]:
    """Have the first Ctrl-C stop the clock. In a thread that signals do not come to, nothing is changed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    if before is None or not callable(before):  # ignored, or not Python's to handle
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        # Another thread's work: this one may be holding the very lock that stopping needs.
        threading.Thread(target=clock.stop, daemon=True).start()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
