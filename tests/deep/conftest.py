"""Nothing here runs without torch: every module is then skipped, with the reason, before it is imported."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest


class Skipped(pytest.File):
    def collect(self) -> Iterable[pytest.Item]:
        pytest.skip("torch is not installed; make install", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.File | None:
    return None if find_spec("torch") else Skipped.from_parent(parent, path=module_path)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Everything here needs torch."""
    item.add_marker("deep")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Tensors here are so small that a second thread only waits."""
    import torch

    torch.set_num_threads(1)
