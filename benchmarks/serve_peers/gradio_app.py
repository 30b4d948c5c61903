"""A Gradio interface with its own queue, asked through its HTTP API.

    PYTHONPATH=src python -m benchmarks.serve_peers.gradio_app BUNDLE PORT THREADS

THREADS is for a call of the network; 0: as the runtime likes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

# Before gradio: importing drivetrain tells every library to report nothing.
from .work import Work

import gradio  # isort: skip


def main() -> None:
    bundle, port, threads = sys.argv[1:]
    work = Work(Path(bundle), int(threads) or None)

    def predict(path: str) -> dict[str, Any]:
        return work.answer(Path(path).read_bytes())

    interface = gradio.Interface(predict, gradio.Image(type="filepath"), gradio.JSON(), api_name="predict")
    interface.launch(server_name="127.0.0.1", server_port=int(port), quiet=True, share=False)


if __name__ == "__main__":
    main()
