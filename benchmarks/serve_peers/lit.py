"""LitServe: decoding and the network in its worker processes, batches of up to BATCH.

    PYTHONPATH=src python -m benchmarks.serve_peers.lit BUNDLE PORT THREADS BATCH WORKERS

WORKERS processes, each with THREADS for a call of the network (0: as the runtime likes).
"""

# No postponed annotations here: LitServe looks at the type of decode_request.
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from .work import FIELD, PATH, Work

BATCH_TIMEOUT_S = 0.005

Tensor = NDArray[np.float32]


class Classifier(litserve.LitAPI):  # type: ignore[misc]  # not installed where types are checked
    """With a batch of one LitServe passes single tensors; with more, lists of them."""

    def __init__(self, bundle: Path, threads: int | None, batch: int) -> None:
        super().__init__(max_batch_size=batch, batch_timeout=BATCH_TIMEOUT_S if batch > 1 else 0.0, api_path=PATH)
        self._bundle, self._threads = bundle, threads

    def setup(self, device: str) -> None:  # noqa: ARG002
        self._work = Work(self._bundle, self._threads)

    def decode_request(self, request: Request) -> Tensor:
        return self._work.tensor(request[FIELD].file.read())

    def batch(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        return list(inputs)

    def predict(self, x: Tensor | list[Tensor]) -> dict[str, Any] | list[dict[str, Any]]:
        return self._work.answers(x) if isinstance(x, list) else self._work.answers([x])[0]

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


def main() -> None:
    bundle, port, threads, batch, workers = sys.argv[1:]
    classifier = Classifier(Path(bundle), int(threads) or None, int(batch))
    server = litserve.LitServer(classifier, accelerator="cpu", workers_per_device=int(workers))
    server.run(host="127.0.0.1", port=int(port), generate_client_file=False, log_level="warning")


if __name__ == "__main__":
    main()
