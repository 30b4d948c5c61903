"""What fits a budget of seconds: counted work at the rate of a nominal machine, never the clock.

A clock would let a busy neighbour decide which network a model stands on. Multiply-adds, files and bytes are the same for
everybody, so equal data and options make the same plan on every machine, whatever else that does. The nominal machine is
the one of `benchmarks/results/embedding.json`: two cores, as a laptop has them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.types import Item
from ..embed.backbone import Backbone
from ..embed.cache import EmbeddingCache
from ..embed.recipe import Recipe
from ..learn.selection import Candidates

CORES = 2
# Of one core. Reading is hashing, decoding, resizing and fingerprinting a photo.
MULTIPLY_ADDS_PER_S = 80e9
S_PER_FILE = 1.4e-3
BYTES_PER_S = 26e6

# Part of the key under which counted work is kept: bump it when `embed.work` counts otherwise.
_COUNT_VERSION = 1


def plan(
    backbones: Sequence[Backbone], items: Sequence[Item], n_compared: int, budget_s: float, cache: EmbeddingCache
) -> tuple[Candidates, str]:
    """What may be chosen, and a line that says so: the smallest of ``backbones`` (which come smallest first), the largest
    that fits beside it, and the mirrored view where that fits as well.

    ``n_compared`` of the items are embedded with the smallest too.
    """
    reading_s = reading_seconds(items)
    seconds = [reading_s + len(items) * network_seconds(backbone, cache) for backbone in backbones]
    trial_s = seconds[0] * n_compared / max(len(items), 1)
    fitting = [i for i in range(1, len(backbones)) if seconds[i] + trial_s <= budget_s]
    largest = fitting[-1] if fitting else 0
    cost_s = seconds[largest] + (trial_s if fitting else 0)
    chosen = (backbones[0], *([backbones[largest]] if fitting else []))
    return Candidates(chosen, mirror=2 * cost_s <= budget_s), _note(
        backbones, seconds, largest, cost_s, trial_s, budget_s
    )


def _note(
    backbones: Sequence[Backbone],
    seconds: Sequence[float],
    largest: int,
    cost_s: float,
    trial_s: float,
    budget_s: float,
) -> str:
    counted = "counted for two laptop cores, not timed"
    if len(backbones) > 1 and not largest:
        return (
            f"only {backbones[0].name} fits the budget of {budget_s:g} s ({_about(cost_s)}, {counted}); "
            f"a larger --budget-s would try {backbones[-1].name} ({_about(seconds[-1] + trial_s)})"
        )
    return f"{backbones[largest].name} needs {_about(cost_s)} of a budget of {budget_s:g} s ({counted})"


def _about(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds >= 1 else "less than 1 s"


def reading_seconds(items: Sequence[Item]) -> float:
    """Nominal time to read and decode all ``items``; a file that is not there takes as long as an empty one."""
    return (S_PER_FILE * len(items) + sum(_size(item) for item in items) / BYTES_PER_S) / CORES


def network_seconds(backbone: Backbone, cache: EmbeddingCache) -> float:
    """Nominal time of one image through the network, from its counted work."""
    return _multiply_adds(backbone, cache) / MULTIPLY_ADDS_PER_S / CORES


def _multiply_adds(backbone: Backbone, cache: EmbeddingCache) -> int:
    # Kept beside the embeddings: a fully cached run then builds no graph but the one it writes.
    key = f"multiply-adds-{_COUNT_VERSION}-{Recipe(backbone).key}"
    known = cache.note(key)
    if known is None:
        from ..embed.work import multiply_adds  # ONNX is heavy to import

        known = str(multiply_adds(backbone.build(backbone.block_names)))
        cache.set_note(key, known)
    return int(known)


def _size(item: Item) -> int:
    try:
        return item.path.stat().st_size
    except (OSError, ValueError):  # ValueError: the path contains a null character
        return 0
