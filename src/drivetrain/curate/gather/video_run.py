"""Gathering from video files: frames that differ, written like any other picture, those of one video as one group."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from ...core.errors import DataError, ImageError, UsageError
from ...core.plain_file import open_plain
from ...core.ports import Progress
from ...data.provenance.line import Provenance
from .clock import Clock
from .interruption import stopping_on_ctrl_c
from .refusal import NotFetchedError, StoppedError
from .tally import Tally
from .thinning import Thinning
from .video import SUFFIXES, Frame, expected, frames
from .writer import Writer

SOURCE = "video"
ALIKE = "unchanged"

# Quality at which frames are written as JPEG: a video has been compressed more than that.
_QUALITY = 95


def videos_of(places: Sequence[Path]) -> list[Path]:
    """Find the videos: files as they are, and those below folders, sorted.

    Raises:
        UsageError: a place does not exist, or a folder holds none.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise UsageError(f"there is no video {place}; an address is fetched by other means, and given as a file")
        inside = [place]
        if place.is_dir():
            inside = sorted(one for one in place.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file())
        if not inside:
            raise UsageError(f"the folder {place} holds no videos ({', '.join(sorted(SUFFIXES))})")
        found += inside
    return list(dict.fromkeys(found))


class VideoGathering:
    """A run over several videos."""

    def __init__(self, writer: Writer, clock: Clock, now: Callable[[], datetime], progress: Progress) -> None:
        self._writer = writer
        self._clock = clock
        self._now = now
        self._progress = progress
        self._there = {(line.group, line.url) for line in writer.lines if line.source == SOURCE}
        self.tallies: list[Tally] = []
        self.interrupted = False

    def fill(self, videos: Sequence[Path], label: str, every_s: float, most: int | None) -> list[Tally]:
        """Take frames of one video after the other; an interruption ends the run, and what it has brought stays.

        A video that cannot be read is told in its tally. ``most`` frames are taken of each.

        Raises:
            OSError: the disk is full, or may not be written.
        """
        try:
            with stopping_on_ctrl_c(self._clock):
                for video in videos:
                    tally = Tally(f"{label}/{video.name}" if label else video.name, None, most)
                    self.tallies.append(tally)
                    try:
                        self._take(video, label, every_s, tally)
                    except DataError as error:
                        tally.problem = str(error)
        except (KeyboardInterrupt, StoppedError):
            self.interrupted = True
        return self.tallies

    def _take(self, video: Path, label: str, every_s: float, tally: Tally) -> None:
        with open_plain(video) as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        thinning = Thinning()
        count = expected(video, every_s)
        with self._progress.stage(video.name, count if tally.wanted is None else min(count, tally.wanted)) as advance:
            for frame in self._until(frames(video, every_s)):
                if tally.is_full:
                    return
                tally.asked += 1
                origin = self._origin(video, sha256, frame, label)
                if not thinning.is_new(frame.image):
                    tally.dropped[ALIKE] += 1
                elif (origin.group, origin.url) in self._there:
                    tally.had += 1
                else:
                    self._keep(frame, origin, tally)
                advance(1, f"{tally.got} kept")

    def _until(self, all_frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yield frames until somebody stops the run."""
        for frame in all_frames:
            self._clock.wait(0)
            yield frame

    def _keep(self, frame: Frame, origin: Provenance, tally: Tally) -> None:
        file = io.BytesIO()
        frame.image.save(file, "JPEG", quality=_QUALITY)
        try:
            self._writer.write(file.getvalue(), origin)
        except (ImageError, NotFetchedError) as error:
            tally.dropped[error.reason] += 1
        else:
            tally.got += 1

    def _origin(self, video: Path, sha256: str, frame: Frame, label: str) -> Provenance:
        # The moment is written as a media fragment (W3C, Media Fragments URI 1.0), which players take.
        moment = f"{frame.at_s:.3f}"
        name = f"{video.stem}-{moment}s"
        return Provenance(
            name=f"{label}/{name}" if label else name,
            sha256="",
            source=SOURCE,
            at=self._now(),
            url=f"{video.name}#t={moment}",
            title=os.fsencode(video.name).decode("utf-8", "replace"),
            group=f"{SOURCE}:{sha256[:16]}",
        )
