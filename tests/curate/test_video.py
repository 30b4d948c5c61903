"""Frames of videos: at their moments, upright, thinned where nothing moves, and one group a video."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from drivetrain.core.errors import DataError, UsageError
from drivetrain.core.ports import Silent
from drivetrain.curate.gather.clock import Clock
from drivetrain.curate.gather.thinning import Thinning
from drivetrain.curate.gather.video import frames, seconds_of
from drivetrain.curate.gather.video_run import VideoGathering, videos_of
from drivetrain.curate.gather.writer import open_writer
from drivetrain.data.provenance.record import ProvenanceRecord

av = pytest.importorskip("av")

SIZE = (160, 120)
NOW = datetime(2026, 11, 30, tzinfo=UTC)


def scene(number: int, moved: int = 0) -> Image.Image:
    """A picture with structure of its own, and a subject of 3 % of it that may move."""
    noise = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
    image = Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)
    ImageDraw.Draw(image).rectangle((10 + moved, 50, 34 + moved, 74), fill="white")
    return image


def video(path: Path, picture: Callable[[int], Image.Image], count: int, rate: int = 10, turned: int = 0) -> Path:
    """Write a video of ``count`` frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *SIZE, "yuv420p", 2_000_000
        if turned:
            stream.set_display_rotation(turned)
        for number in range(count):
            for packet in stream.encode(av.VideoFrame.from_image(picture(number))):
                container.mux(packet)
        container.mux(stream.encode())
    return path


def taken(into: Path, videos: list[Path], *, every_s: float = 1.0, most: int | None = None) -> VideoGathering:
    """Gather from videos into a folder."""
    with open_writer(into, resize=None, progress=Silent()) as writer:
        run = VideoGathering(writer, Clock(lambda: 0.0, lambda: 0.0), lambda: NOW, Silent())
        run.fill(videos, "bear", every_s, most)
    return run


@pytest.mark.parametrize("text", ["", "0s", "-1s", "1 week", "s", "nan"])
def test_what_is_no_interval_is_said(text: str) -> None:
    with pytest.raises(UsageError, match="received"):
        seconds_of(text)


def test_frames_come_at_their_moments(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mp4", scene, 35)
    found = list(frames(path, 1.0))
    assert [frame.at_s for frame in found] == pytest.approx([0.0, 1.0, 2.0, 3.0])
    for frame, number in zip(found, (0, 10, 20, 30), strict=True):
        assert np.abs(np.asarray(frame.image, float) - np.asarray(scene(number), float)).mean() < 12


def test_frames_of_a_turned_telephone_stand_upright(tmp_path: Path) -> None:
    path = video(tmp_path / "clip.mov", scene, 1, turned=90)
    (frame,) = frames(path, 1.0)
    upright = scene(0).rotate(frame_rotation(path), expand=True)
    assert frame.image.size == (SIZE[1], SIZE[0]) == upright.size
    assert np.abs(np.asarray(frame.image, float) - np.asarray(upright, float)).mean() < 12


def frame_rotation(path: Path) -> int:
    """The turn that players make, in degrees against the clock."""
    with av.open(str(path)) as container:
        return round(next(container.decode(video=0)).rotation)


def test_a_scene_in_which_nothing_moves_gives_one_frame_and_one_with_a_small_subject_gives_all() -> None:
    still, moving = Thinning(), Thinning()
    noise = np.random.default_rng(0)

    def noisy(image: Image.Image, brighter: int) -> Image.Image:
        grain = noise.normal(brighter, 4, (*SIZE[::-1], 3))
        return Image.fromarray(np.clip(np.asarray(image) * 0.8 + grain, 0, 255).astype(np.uint8))

    assert [still.is_new(noisy(scene(1), 3 * n)) for n in range(6)] == [True] + [False] * 5
    assert [moving.is_new(noisy(scene(1, 25 * n), 0)) for n in range(5)] == [True] * 5


def test_frames_of_one_video_are_one_group_and_a_second_run_adds_none(tmp_path: Path) -> None:
    clip = video(tmp_path / "walk.mp4", lambda n: scene(n // 10), 40)
    other = video(tmp_path / "other.mp4", lambda n: scene(50 + n // 10), 20)
    run = taken(tmp_path / "data", [clip, other])
    assert [(one.label, one.got) for one in run.tallies] == [("bear/walk.mp4", 4), ("bear/other.mp4", 2)]
    record = ProvenanceRecord(tmp_path / "data")
    lines, groups = record.lines, {}
    record.close()
    for line in lines:
        groups.setdefault(line.group, []).append(line.url)
        with Image.open(tmp_path / "data" / line.name) as image:
            assert image.size == SIZE
    assert sorted(groups.values()) == [
        ["other.mp4#t=0.000", "other.mp4#t=1.000"],
        [f"walk.mp4#t={n}.000" for n in range(4)],
    ]
    again = taken(tmp_path / "data", [clip, other])
    assert [(one.had, one.got) for one in again.tallies] == [(4, 0), (2, 0)]
    assert len(list((tmp_path / "data" / "bear").iterdir())) == 6


def test_no_more_frames_than_wanted_are_taken_of_a_video(tmp_path: Path) -> None:
    clip = video(tmp_path / "walk.mp4", lambda n: scene(n // 10), 40)
    assert taken(tmp_path / "data", [clip], most=2).tallies[0].got == 2


def test_what_is_no_video_is_said_and_the_others_are_taken(tmp_path: Path) -> None:
    clip = video(tmp_path / "walk.mp4", scene, 10)
    (tmp_path / "text.mp4").write_text("no video")
    playlist = tmp_path / "list.m3u8"
    playlist.write_text(f"#EXTM3U\n#EXTINF:1,\n{clip.name}\n#EXT-X-ENDLIST\n")
    run = taken(tmp_path / "data", [tmp_path / "text.mp4", playlist, clip])
    assert [one.problem is not None for one in run.tallies] == [True, True, False]
    assert run.tallies[2].got == 1


def test_a_video_of_an_unknown_coding_is_said_and_remarks_in_another_alphabet_are_passed_over(tmp_path: Path) -> None:
    data = video(tmp_path / "0.mp4", scene, 20).read_bytes()
    unknown = data
    for name in (b"mp4v", b"avc1", b"esds", b"avcC"):
        unknown = unknown.replace(name, b"zzzz")
    (tmp_path / "unknown.mp4").write_bytes(unknown)
    with pytest.raises(DataError, match=r"unknown\.mp4: no decoder for its pictures"):
        list(frames(tmp_path / "unknown.mp4", 1.0))
    (tmp_path / "latin.mp4").write_bytes(data.replace(b"VideoHandler", b"VideoHandl\xf2r"))
    assert len(list(frames(tmp_path / "latin.mp4", 1.0))) == len(list(frames(tmp_path / "0.mp4", 1.0)))


def test_a_video_that_breaks_off_gives_the_frames_before(tmp_path: Path) -> None:
    clip = video(tmp_path / "walk.avi", scene, 60)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    assert 1 <= len(list(frames(cut, 1.0))) < 6


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16_000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(DataError, match="no pictures in it"):
        list(frames(path, 1.0))


def test_folders_are_searched_for_videos(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    clip = video(tmp_path / "a" / "b.MP4", scene, 2)
    assert videos_of([tmp_path]) == [clip]
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="holds no videos"):
        videos_of([tmp_path / "none"])
    with pytest.raises(UsageError, match="there is no video"):
        videos_of([tmp_path / "gone.mp4"])


def test_a_real_clip_gives_sharp_frames(data_root: Path) -> None:
    found = list(frames(data_root / "video" / "cockatoo.mp4", 1.0))
    assert len(found) == 14
    assert {frame.image.size for frame in found} == {(1280, 720)}
    buffer = io.BytesIO()
    found[3].image.save(buffer, "JPEG")
    assert buffer.tell() > 20_000
