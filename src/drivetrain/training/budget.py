"""The budget of seconds, in which work is counted at the rate of a nominal machine, never by the clock.

A clock would let a busy neighbour decide which network a model stands on. Multiply-adds, files and bytes are the same for
everybody, so equal data and options make the same plan on every machine, whatever else that does. The nominal machine is
the one of `benchmarks/results/embedding.json`: two cores, as a laptop has them.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.reference import size_of
from ..core.types import Item
from ..embed.backbone import Backbone
from ..embed.cache import EmbeddingCache
from ..embed.recipe import Recipe
from ..learn.selection import Candidates

CORES = 2
# Rates of one core. Reading is hashing, decoding, resizing and fingerprinting a photo.
MULTIPLY_ADDS_PER_S = 80e9
S_PER_FILE = 1.4e-3
BYTES_PER_S = 26e6

# Part of the key under which counted work is kept: bump it when `embed.work` counts otherwise.
_COUNT_VERSION = 1


def plan(
    backbones: Sequence[Backbone], items: Sequence[Item], n_compared: int, budget_s: float, cache: EmbeddingCache
) -> tuple[Candidates, str]:
    """Return the candidates, and a line about them: the smallest of ``backbones`` (which come smallest first), the largest
    that fits beside it, and the mirrored view where that fits as well.

    ``n_compared`` of the items are embedded with the smallest too.
    """
    reading_s, n = reading_seconds(items), len(items)
    smallest_s, *larger_s = (reading_s + n * network_seconds(backbone, cache) for backbone in backbones)
    # A larger backbone is compared with the smallest first, which costs time as well.
    costs_s = [smallest_s, *(cost_s + smallest_s * n_compared / max(n, 1) for cost_s in larger_s)]
    largest = max((i for i, cost_s in enumerate(costs_s) if cost_s <= budget_s), default=0)
    chosen = backbones[:1] if largest == 0 else (backbones[0], backbones[largest])
    mirror = 2 * costs_s[largest] <= budget_s and backbones[largest].preprocess.can_be_varied
    return Candidates(tuple(chosen), mirror), _note(backbones, costs_s, largest, budget_s)


def _note(backbones: Sequence[Backbone], costs_s: Sequence[float], largest: int, budget_s: float) -> str:
    counted = "estimated by counting, the same on every machine"
    if len(backbones) > 1 and largest == 0:
        return (
            f"only {backbones[0].name} fits the budget of {budget_s:g} s ({_about(costs_s[0])}, {counted}); "
            f"a larger --budget-s would try {backbones[-1].name} ({_about(costs_s[-1])})"
        )
    tried = "tried up to " * (len(backbones) > 1) + backbones[largest].name
    return f"{tried}, {_about(costs_s[largest])} of a budget of {budget_s:g} s ({counted})"


def _about(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds >= 1 else "less than 1 s"


def reading_seconds(items: Sequence[Item]) -> float:
    """Nominal time to read and decode all ``items``; a file that is not there takes as long as an empty one."""
    return (S_PER_FILE * len(items) + sum(size_of(item.reference) for item in items) / BYTES_PER_S) / CORES


def network_seconds(backbone: Backbone, cache: EmbeddingCache) -> float:
    """Nominal time of one image through the network, from its counted work."""
    return _multiply_adds(backbone, cache) / MULTIPLY_ADDS_PER_S / CORES


def _multiply_adds(backbone: Backbone, cache: EmbeddingCache) -> int:
    # The work is kept beside the embeddings, so that a fully cached run builds no graph but the one it writes.
    key = f"multiply-adds-{_COUNT_VERSION}-{Recipe(backbone).key}"
    known = cache.note(key)
    if known is None:
        from ..embed.work import multiply_adds  # ONNX is heavy to import

        known = str(multiply_adds(backbone.build(backbone.block_names)))
        cache.set_note(key, known)
    return int(known)
