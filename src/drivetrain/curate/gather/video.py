"""Frames of a video file, at regular moments: decoded by PyAV (FFmpeg), turned upright, with square pixels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ...core.errors import DataError, UsageError
from ...core.installation import install_command
from ...core.plain_file import open_plain
from ...data.image.true_size import MAX_PIXELS

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts", ".ts", ".wmv", ".3gp", ".ogv"}
)
"""Endings of the files that a folder of videos is searched for."""

# Containers that hold their own pictures. A playlist names other files and addresses, which nobody has asked for.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,asf,ogg,flv"

_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, upright; ``at_s`` seconds from the beginning."""

    at_s: float
    image: Image.Image


def seconds_of(text: str) -> float:
    """Read an interval of time.

    >>> [seconds_of(text) for text in ("1s", "500ms", "2", "1.5 min")]
    [1.0, 0.5, 2.0, 90.0]

    Raises:
        UsageError: it is none, or not above 0.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|min|m|h|)\s*", text)
    value = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if value <= 0:
        raise UsageError(f"every (--every) takes a time such as 1s, 500ms or 2min; received {text!r}")
    return value


def expected(path: Path, every_s: float) -> int:
    """Return about how many frames `frames` will yield, by the duration that the file states; 0 where it states none."""
    try:
        with _opened(path) as container:
            return int((container.duration or 0) / 1_000_000 // every_s) + 1 if container.duration else 0
    except (DataError, OSError):
        return 0


def frames(path: Path, every_s: float) -> Iterator[Frame]:
    """Yield the first frame, and then the first one after every ``every_s`` seconds.

    A video that breaks off or is damaged further on gives the frames before.

    Raises:
        DataError: it is no video that can be read, or its pictures are too large.
        UsageError: PyAV is not installed.
        OSError: it cannot be opened.
    """
    with _opened(path) as container:
        yield from _frames(container, path, every_s)


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    try:
        import av
    except ImportError:
        raise UsageError(f"videos need the package av; {install_command('gather')}") from None
    with open_plain(path) as file:
        try:
            # A title or another remark in it need not be UTF-8.
            options = {"format_whitelist": _FORMATS}
            with av.open(file, mode="r", options=options, metadata_errors="replace") as container:
                yield container
        except av.FFmpegError as error:
            raise DataError(f"{path}: no video that can be read ({error.strerror or error})") from None


def _frames(container: InputContainer, path: Path, every_s: float) -> Iterator[Frame]:
    import av

    if not container.streams.video:
        raise DataError(
            f"{path}: no pictures in it, only {', '.join(one.type for one in container.streams) or 'nothing'}"
        )
    stream = container.streams.video[0]
    if stream.codec_context is None:  # so PyAV says it, whatever its types promise
        raise DataError(f"{path}: no decoder for its pictures; convert it to H.264 in MP4")
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > MAX_PIXELS:
        raise DataError(f"{path}: frames of {width}×{height} pixels; at most {MAX_PIXELS:,} pixels can be read")
    stream.thread_type = "AUTO"
    due_s, seen = 0.0, False
    try:
        for number, frame in enumerate(container.decode(stream)):
            at_s = _time(frame, stream, number)
            if at_s >= due_s:
                seen = True
                yield Frame(at_s, _upright(frame, stream))
                due_s = (at_s // every_s + 1) * every_s
    except av.FFmpegError:
        if not seen:
            raise
    if not seen:
        raise DataError(f"{path}: no frame in it can be read")


def _time(frame: VideoFrame, stream: VideoStream, number: int) -> float:
    """The frame's moment in seconds; counted where the file states none."""
    if frame.pts is not None and frame.time_base is not None:
        return max(0.0, float((frame.pts - (stream.start_time or 0)) * frame.time_base))
    return number / float(stream.average_rate or 25)


def _upright(frame: VideoFrame, stream: VideoStream) -> Image.Image:
    image = Image.fromarray(frame.to_ndarray(format="rgb24"))
    shape = float(stream.codec_context.sample_aspect_ratio or 1)
    if shape != 1 and 0.1 < shape < 10:  # pixels that are not square, as on DVDs
        image = image.resize((max(1, round(image.width * shape)), image.height), Image.Resampling.BICUBIC)
    turn = round(frame.rotation) % 360
    return image.rotate(turn, expand=True) if turn else image
