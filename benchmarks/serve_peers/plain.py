"""A plain FastAPI route, as one is written by hand: an upload, the work in FastAPI's thread pool, a dictionary back.

    PYTHONPATH=src python -m benchmarks.serve_peers.plain BUNDLE PORT THREADS

THREADS is for a call of the network; 0: as the runtime likes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, UploadFile

from .work import PATH, Work


def main() -> None:
    bundle, port, threads = sys.argv[1:]
    app = FastAPI()
    work = Work(Path(bundle), int(threads) or None)

    @app.post(PATH)
    def predict(images: UploadFile) -> dict[str, Any]:
        return work.answer(images.file.read())

    uvicorn.run(app, port=int(port), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
