"""`drivetrain gather` and `drivetrain provenance`, against hosts on this machine."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from command_line import CommandLine, Done, OwnProcess

from drivetrain.curate.gather.addresses import PRIVATE
from drivetrain.curate.gather.take_down import WHY
from drivetrain.curate.gather.writer import DUPLICATE
from drivetrain.data.provenance.line import Provenance
from drivetrain.data.provenance.record import read_record
from drivetrain.data.sources.opening import open_source
from drivetrain.learn.reading import read
from drivetrain.learn.target_options import TargetOptions
from picture_services import openverse
from web_host import Reply, Web, as_json, photo, web_host

HERE = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "gather.md").read_text(encoding="utf-8")
SOURCES = "".join(path.read_text() for path in (ROOT / "src" / "drivetrain" / "curate" / "gather").glob("*.py"))


@pytest.fixture
def web() -> Iterator[Web]:
    with web_host() as host:
        yield host


def archive(web: Web, count: int, folder: Path) -> str:
    """Openverse at an address that the system itself finds, with its pictures beside it; returns its address."""
    with ExitStack() as stack:
        stack.enter_context(openverse(web, count, folder))
    document = web.replies["api.openverse.test/v1/images/"]

    def here(asked: object) -> Reply:
        reply = document(asked)
        return Reply(reply.body.replace(b"photos.test", HERE.encode()), reply.kind, reply.status)

    web.add("/v1/images/", here, HERE)
    for path, reply in list(web.replies.items()):
        web.replies.setdefault(path.replace("photos.test", HERE), reply)
    return web.url("", HERE)


def gather(drivetrain: CommandLine, base: str, into: Path, *more: str) -> Done:
    return drivetrain("gather", "--into", into, "--allow-private", "--base", base, *more)


def test_words_become_class_folders_with_their_origins(drivetrain: CommandLine, web: Web, tmp_path: Path) -> None:
    base, into = archive(web, 24, tmp_path), tmp_path / "bears"
    done = gather(drivetrain, base, into, "grizzly bear", "ted=teddy bear", "--max", "9", "--contact", "a@b.example")
    assert done.code == 0, done.err
    assert sorted(path.name for path in into.iterdir() if path.is_dir()) == ["grizzly bear", "ted"]
    data = open_source(into)
    assert data.classes == ("grizzly bear", "ted")
    assert len(data.items) == len(read_record(into)) == 18
    assert {line.query for line in read_record(into)} == {"grizzly bear", "teddy bear"}
    head, first, second, last, following, command = done.out.splitlines()
    assert head.split() == ["class", "wanted", "had", "asked", "got", "dropped", "why"]
    assert re.fullmatch(r"grizzly bear +9 +0 +9 +9 +0", first)
    assert re.fullmatch(r"ted +9 +0 +9 +9 +9 +9 duplicate", second)
    assert last.startswith(f"18 pictures in {into}")
    assert (following, command) == ("Next: look for what is wrong with them", f"  drivetrain verify {into}")
    assert {one.headers["user-agent"] for one in web.asked} == {web.asked[0].headers["user-agent"]}
    assert "(a@b.example)" in web.asked[0].headers["user-agent"]


def test_run_again_it_asks_for_what_is_missing_alone(drivetrain: CommandLine, web: Web, tmp_path: Path) -> None:
    base, into = archive(web, 24, tmp_path), tmp_path / "bears"
    for most, had, got in (("4", 0, 4), ("4", 4, 0), ("10", 4, 6)):
        done = gather(drivetrain, base, into, "bear", "--max", most, "--json")
        (found,) = done.document["classes"]
        assert (found["had"], found["got"], found["asked"]) == (had, got, got)
    pictures = [one.path for one in web.asked if one.path.startswith("/photos/")]
    assert len(pictures) == len(set(pictures)) == 10


def test_a_list_of_addresses_and_a_table_with_labels(drivetrain: CommandLine, web: Web, tmp_path: Path) -> None:
    urls = [web.add(f"/{n}.jpg", Reply(photo(n)), HERE) for n in range(6)]
    (tmp_path / "list.txt").write_text("\ufeff# bears\n" + "\n".join([*urls[:2], "", web.url("/gone.jpg", HERE)]))
    done = drivetrain(
        "gather", "--urls", tmp_path / "list.txt", "--into", tmp_path / "flat", "--allow-private", "--json"
    )
    (found,) = done.document["classes"]
    assert (found["label"], found["got"], found["dropped"]) == ("", 2, {"not found": 1})
    rows = [f"{url},{('grizzly', 'black')[n % 2]},CC BY 4.0,Ada" for n, url in enumerate(urls)]
    (tmp_path / "bears.csv").write_text("\n".join(["URL,label,licence,author", *rows, ",,,"]))
    table = ("gather", "--urls", tmp_path / "bears.csv", "--allow-private", "--licence", "cc")
    done = drivetrain(*table, "--into", tmp_path / "bears", "--json")
    assert [(one["label"], one["got"]) for one in done.document["classes"]] == [("grizzly", 3), ("black", 3)]
    assert {(line.licence, line.author) for line in read_record(tmp_path / "bears")} == {("cc-by-4.0", "Ada")}
    assert open_source(tmp_path / "bears").classes == ("black", "grizzly")


def test_frames_of_videos_are_gathered_and_told(drivetrain: CommandLine, tmp_path: Path, data_root: Path) -> None:
    clips = data_root / "video"
    done = drivetrain(
        "gather", "--video", str(clips), "--label", "bird", "--every", "2s", "--into", "b", "--json", cwd=tmp_path
    )
    assert done.code == 0, done.err
    told = {one["label"]: one for one in json.loads(done.out)["classes"]}
    assert told["bird/cockatoo.mp4"]["got"] == 7
    assert told["bird/bear.mp4"]["got"] == 1
    lines = read_record(tmp_path / "b")
    assert {line.source for line in lines} == {"video"}
    assert len({line.group for line in lines}) == 2
    read_back = open_source(tmp_path / "b", unpack_dir=tmp_path / "unpacked")
    groups = [item.group for item in read_back.items]
    assert sorted(map(groups.count, set(groups))) == [1, 7]


def test_no_video_among_those_given_is_said_in_one_line(drivetrain: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    done = drivetrain("gather", "--video", "clip.mp4", "--into", "b", cwd=tmp_path)
    assert done.code == 2
    assert "error: clip.mp4: no video that can be read" in done.err


def test_this_machine_is_not_asked_unless_allowed(drivetrain: CommandLine, web: Web, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(web.add("/a.jpg", Reply(photo(1)), HERE))
    done = drivetrain("gather", "--urls", tmp_path / "list.txt", "--into", tmp_path / "b", "--json")
    assert done.document["classes"][0]["dropped"] == {"private address": 1}
    told = drivetrain("gather", "--urls", tmp_path / "list.txt", "--into", tmp_path / "c")
    assert told.out.splitlines()[-1].endswith("--allow-private asks them all the same")
    assert web.asked == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--into", "b"), "received neither words to search for nor --urls nor --video; give one of them"),
        (("bear", "--urls", "l.txt", "--into", "b"), "received words and --urls"),
        (("bear", "--source", "ddgs", "--licence", "cc", "--into", "b"), "states no licence"),
        (("bear", "Bear", "--into", "b"), "two queries go to the folder 'bear'"),
        (("x=", "--into", "b"), "'x=' has no words to search for"),
        (("..=bear", "--into", "b"), "makes no name of a folder"),
        (("bear",), "Missing option '--into'"),
        (("bear", "--video", "a.mp4", "--into", "b"), "received words and --video"),
        (("bear", "--every", "1s", "--into", "b"), "--every is about --video"),
        (("--video", "a.mp4", "--into", "b"), "there is no video a.mp4"),
        (("--video", "empty.txt", "--every", "soon", "--into", "b"), "received 'soon'"),
        (("--urls", "nothing.txt", "--into", "b"), "nothing.txt cannot be read"),
        (("--urls", "empty.txt", "--into", "b"), "holds no address"),
        (("--urls", "no-url.csv", "--into", "b"), "has the columns file, label; one must be called url"),
        (("bear", "--into", "empty.txt"), "empty.txt is a file; --into takes a folder"),
    ],
)
def test_wrong_use_is_one_line(
    drivetrain: CommandLine, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "no-url.csv").write_text("file,label\na.jpg,b\n")
    done = drivetrain("gather", *arguments, cwd=tmp_path)
    assert done.code == 2
    assert message in done.error
    assert not (tmp_path / "b").exists()


def test_a_service_that_wants_to_be_left_alone_is_said_in_one_line(
    drivetrain: CommandLine, web: Web, tmp_path: Path
) -> None:
    web.add("/v1/images/", as_json({"detail": "throttled"}, 429, {"Retry-After": "86400"}), HERE)
    done = gather(drivetrain, web.url("", HERE), tmp_path / "b", "bear", "--json")
    assert (done.code, done.out) == (2, "")
    assert "nothing was gathered" in done.err.splitlines()[-1]
    assert "pause of 86400 s" in done.err or "keeps answering 429" in done.err


@pytest.mark.processes
def test_ctrl_c_leaves_a_good_state_and_says_how_to_go_on(
    drivetrain_process: OwnProcess, web: Web, tmp_path: Path
) -> None:
    urls = [web.add(f"/{n}.jpg", Reply(photo(n), before_s=0.2), HERE) for n in range(60)]
    (tmp_path / "list.txt").write_text("\n".join(urls))
    into = tmp_path / "bears"
    command = drivetrain_process.command(
        "gather", "--urls", tmp_path / "list.txt", "--into", into, "--allow-private", "--json"
    )
    program = subprocess.Popen(
        command, env=drivetrain_process.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while len(read_record(into)) < 5:
        time.sleep(0.05)
        assert program.poll() is None
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=20)
    assert program.returncode == 130, err
    assert err.splitlines()[-1] == "interrupted; run it again: gather goes on where it stopped"
    document = json.loads(out)
    assert document["interrupted"]
    kept = read_record(into)
    assert document["classes"][0]["got"] == len(kept) < 60
    assert all((into / line.name).is_file() for line in kept)
    done = drivetrain_process("gather", "--urls", tmp_path / "list.txt", "--into", into, "--allow-private", "--json")
    assert done.document["classes"][0]["got"] == 60 - len(kept)


@pytest.mark.processes
def test_the_default_install_imports_no_client_and_says_what_is_missing(tmp_path: Path) -> None:
    """Neither the commands nor their help need the extra; gathering itself says how to get it."""
    import sys

    code = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('httpcore2', 'httpx2', 'httpx', 'ddgs', 'primp', 'av', 'lxml'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from drivetrain.cli.main import run\n"
        "run()\n"
    )

    def said(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
        )

    assert said("gather", "--help").returncode == 0
    done = said("gather", "bear", "--into", tmp_path / "b")
    assert done.returncode == 2
    assert re.fullmatch(
        r"error: gathering needs more packages \(httpcore2 is not there\); .*\[gather\].*\n", done.stderr
    )
    assert said("provenance", tmp_path).returncode == 0


@pytest.fixture
def gathered(drivetrain: CommandLine, web: Web, tmp_path: Path) -> Path:
    """Twelve pictures of two classes from the archive, and one more that nobody knows the origin of."""
    base, into = archive(web, 12, tmp_path), tmp_path / "bears"
    gather(drivetrain, base, into, "grizzly", "--max", "8")
    gather(drivetrain, base, into, "black", "--max", "4")
    (into / "black" / "own.jpg").write_bytes(photo(99))
    return into


def test_provenance_lists_by_licence_and_source(drivetrain: CommandLine, gathered: Path) -> None:
    found = drivetrain("provenance", gathered, "--json").document
    assert (found["items"], found["without_line"], found["removed"], found["gone"]) == (13, 1, 0, 0)
    rows = [(row["licence"], row["source"], row["items"]) for row in found["by_licence"]]
    assert rows == [(name, "openverse", 3) for name in ("cc-by-2.0", "cc-by-nc-sa-3.0", "cc0-1.0", "pdm-1.0")]
    lines = drivetrain("provenance", gathered).out.splitlines()
    assert lines[0].split() == ["licence", "source", "pictures"]
    assert lines[1].split() == ["CC", "BY", "2.0", "openverse", "3"]
    assert lines[-1].split() == ["no", "line", "1"]


def test_a_picture_that_was_moved_keeps_its_origin_and_a_changed_one_does_not(
    drivetrain: CommandLine, gathered: Path
) -> None:
    moved, changed, gone = sorted((gathered / "grizzly").iterdir())[:3]
    moved.rename(gathered / "black" / "moved.jpg")
    changed.write_bytes(photo(77))
    gone.rename(gathered.parent / "away.jpg")
    found = drivetrain("provenance", gathered, "--json").document
    assert (found["items"], found["without_line"], found["gone"]) == (12, 2, 2)


def test_the_attribution_names_title_author_source_and_licence(drivetrain: CommandLine, gathered: Path) -> None:
    for ending in ("md", "html"):
        out = gathered.parent / f"AUTHORS.{ending}"
        for _ in range(2):  # its own file may be written again
            assert drivetrain("provenance", gathered, "--attribution", out).code == 0
        text = out.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.startswith(("- ", "<li>"))]
        assert len(lines) == 12
        number = next(
            int(found[1]) for line in lines if (found := re.search(r"Picture (\d+)", line)) and "CC BY 2.0" in line
        )
        (line,) = [line for line in lines if f"Picture {number}" in line and f"Ada {number}" in line]
        assert f"https://archive.example/{number}" in line
        assert "https://creativecommons.org/licenses/by/2.0/" in line
    (gathered.parent / "mine.md").write_text("# My notes\n")
    done = drivetrain("provenance", gathered, "--attribution", gathered.parent / "mine.md")
    assert "another file stands there" in done.err
    assert (
        "an attribution is written as .html or .md"
        in drivetrain("provenance", gathered, "--attribution", gathered.parent / "a.txt").err
    )


def test_titles_of_strangers_stay_text(drivetrain: CommandLine, web: Web, tmp_path: Path) -> None:
    rows = [
        f'{web.add("/1.jpg", Reply(photo(1)), HERE)},"<script>alert(1)</script> [x](y) `c`","A*d*a\u202e",javascript:alert(1)'
    ]
    (tmp_path / "t.csv").write_text("\n".join(["url,title,author,page", *rows]), encoding="utf-8")
    drivetrain("gather", "--urls", tmp_path / "t.csv", "--into", tmp_path / "b", "--allow-private")
    for ending in ("md", "html"):
        out = tmp_path / f"a.{ending}"
        assert drivetrain("provenance", tmp_path / "b", "--attribution", out).code == 0
        text = out.read_text(encoding="utf-8")
        assert "\u202e" not in text
        assert "javascript:" not in text.lower() or ending == "never"
        assert "<script>" not in text
        if ending == "md":
            assert r"\[x\]\(y\) \`c\`" in text
            assert r"A\*d\*a" in text


def test_an_author_s_pictures_are_taken_down_and_never_gathered_again(
    drivetrain: CommandLine, web: Web, gathered: Path
) -> None:
    done = drivetrain("provenance", gathered, "--take-down", "ada  3", "--by", "Grace", "--json").document
    (name,) = done["taken_down"]
    (line,) = [line for line in read_record(gathered) if line.author == "Ada 3"]
    assert name == line.name
    assert (gathered / name).is_file()  # the log has it; its file moves with apply
    edit = json.loads((gathered / "edits.jsonl").read_text().splitlines()[0])
    assert "Grace" in json.dumps(edit)
    assert "taken down" in json.dumps(edit)
    trained_on = read(gathered, TargetOptions(), None, gathered.parent / "unpacked").dataset.items
    assert len(trained_on) == 12
    assert name not in {item.name for item in trained_on}
    found = drivetrain("provenance", gathered, "--json").document
    assert (found["items"], found["removed"]) == (12, 1)
    again = gather(drivetrain, web.url("", HERE), gathered, "other=bear", "--max", "50", "--json")
    assert again.document["classes"][0]["got"] == 0


def test_what_was_never_here_can_be_kept_away(drivetrain: CommandLine, web: Web, tmp_path: Path) -> None:
    base, into = archive(web, 6, tmp_path), tmp_path / "bears"
    into.mkdir()
    done = drivetrain("provenance", into, "--take-down", "https://archive.example/2")
    assert "No picture is of 'https://archive.example/2'" in done.out
    drivetrain("provenance", into, "--take-down", "Ada 4", "--by", "me")
    (found,) = gather(drivetrain, base, into, "bear", "--json").document["classes"]
    assert (found["got"], found["dropped"]) == (4, {"taken down": 2})
    assert {line.author for line in read_record(into)} == {f"Ada {n}" for n in (0, 1, 3, 5)}


def test_a_folder_that_is_none_is_said(drivetrain: CommandLine, tmp_path: Path) -> None:
    assert "is no folder" in drivetrain("provenance", tmp_path / "nothing").error


def test_the_guide_s_commands_run(drivetrain: CommandLine, web: Web, tmp_path: Path) -> None:
    """As they stand there, but for the hosts, which are here; installing and training are tested elsewhere."""
    base = archive(web, 20, tmp_path)
    (tmp_path / "list.txt").write_text(web.add("/more.jpg", Reply(photo(500)), HERE))
    (block,) = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    commands = [line[1:] for line in lines if line[0] == "drivetrain" and line[1] != "train"]
    assert [words[0] for words in commands] == ["gather", "gather", "gather", "provenance"]
    for words in commands:
        if "--video" in words:
            continue  # clips are no test's to make; see test_frames_of_videos_are_gathered_and_told
        here = ["--allow-private", "--base", base] if words[0] == "gather" else []
        done = drivetrain(*words, *here, cwd=tmp_path)
        assert done.code == 0, done.err
    assert "Picture 3" in (tmp_path / "AUTHORS.html").read_text()
    assert open_source(tmp_path / "bears").classes == ("grizzly bear",)  # all others were copies


def test_every_field_and_reason_is_documented(drivetrain: CommandLine, web: Web, tmp_path: Path) -> None:
    base, into = archive(web, 3, tmp_path), tmp_path / "bears"
    gather(drivetrain, base, into, "bear")
    text = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    for heading, document in (
        ("drivetrain gather", gather(drivetrain, base, into, "bear", "--json").document),
        ("drivetrain provenance", drivetrain("provenance", into, "--json").document),
    ):
        section = next(part for part in text.split("\n## ") if part.startswith(f"`{heading}"))
        named = set(
            re.findall(r"`([^`]+)`", " ".join(line.split("|")[1] for line in section.splitlines() if "| `" in line))
        )
        fields = {
            f"{name}[].{inner}" if isinstance(value, list) else name
            for name, value in document.items()
            for inner in (value[0] if isinstance(value, list) else [""])
        }
        assert fields == named
    reasons = set(re.findall(r'NotFetchedError\(\s*"([a-z ]+)"', SOURCES)) | {
        PRIVATE,
        DUPLICATE,
        WHY,
        "licence",
        "tiny",
    }
    reasons -= {"no document"}  # a service's, which is a problem of the class and no picture's
    assert reasons
    assert {one for one in reasons if f"`{one}`" not in text} == set()


def test_every_field_of_a_line_is_documented() -> None:
    table = GUIDE.split("## provenance.jsonl")[1].split("##")[0]
    named = set(
        re.findall(r"`([a-z0-9_]+)`", " ".join(line.split("|")[1] for line in table.splitlines() if "| `" in line))
    )
    assert named == {one.name for one in dataclasses.fields(Provenance)}
