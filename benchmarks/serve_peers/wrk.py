"""A closed loop of clients by wrk, which costs little CPU; one thread, for the server needs the cores."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from .bodies import BOUNDARY, COUNT
from .work import PATH

# Requests are made once; `done` is given microseconds, which wrk's own printing rounds.
SCRIPT = """
local requests, turn = {}, 0
function init(arguments)
  local headers = {["Content-Type"] = "multipart/form-data; boundary=BOUNDARY"}
  for number = 0, LAST do
    local file = assert(io.open(string.format("FOLDER/%02d.body", number), "rb"))
    requests[number + 1] = wrk.format("POST", nil, headers, file:read("*a"))
    file:close()
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\\nRESULT {"requests": %d, "us": %d, "p50": %d, "p99": %d, "not_2xx": %d, "broken": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
"""


class Load(NamedTuple):
    """What the clients saw. ``failed``: answers that were no 2xx, and connections that broke or timed out."""

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    failed: int


def closed_loop(port: int, bodies: Path, clients: int, seconds: int) -> Load:
    """``clients`` connections, each sending the next request when it has its answer."""
    wrk = shutil.which("wrk")
    if wrk is None:
        sys.exit("wrk is not installed (Debian: apt install wrk)")
    script = bodies / "post.lua"
    text = SCRIPT.replace("FOLDER", str(bodies)).replace("BOUNDARY", BOUNDARY).replace("LAST", str(COUNT - 1))
    script.write_text(text, encoding="utf-8")
    url = f"http://127.0.0.1:{port}{PATH}"
    command = [wrk, "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    line = next((line for line in done.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        sys.exit(f"wrk failed:\n{done.stdout}{done.stderr}")
    found = json.loads(line.removeprefix("RESULT "))
    return Load(
        found["requests"],
        1e6 * found["requests"] / found["us"],
        found["p50"] / 1000,
        found["p99"] / 1000,
        found["not_2xx"] + found["broken"],
    )
