"""Work done by another process, and what becomes of that process where memory runs out."""

from __future__ import annotations

from pathlib import Path

import pytest

from drivetrain.core import child
from drivetrain.core.errors import BundleError


@pytest.mark.processes
@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="only Linux has it")
def test_where_memory_runs_out_the_child_goes_before_the_server() -> None:
    with pytest.raises(BundleError, match=r"^1000$"):
        child.run("spared", {}, {}, child.ChildLimits(10, 1 << 30))
