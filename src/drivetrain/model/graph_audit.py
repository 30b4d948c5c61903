"""The audit of a bundle's graph, on its bytes, before any runtime sees them."""

from __future__ import annotations

from ..core.errors import BundleError
from ..embed.foreign.graph_scan import GraphFaultError, scan
from ..embed.operators import fault_of

# Operator sets that a graph may name without using them: exporters list all that their runtime has.
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})


def audit_graph(model: bytes) -> None:
    """Check that a graph reads no other files, and takes no more than its size promises.

    No weights in other files, no operators from elsewhere, no functions, loops or branches, only operators that a network
    for pictures needs, and nothing whose size a picture decides (see `drivetrain.embed.operators`).

    Raises:
        BundleError: it does not, or it is not a whole ONNX file.
    """
    try:
        found = scan(model)
    except GraphFaultError as error:
        raise BundleError(str(error)) from None
    if found.external:
        raise BundleError("the graph keeps weights in another file; in a bundle they stand in the graph")
    if strange := sorted(found.domains - DOMAINS):
        raise BundleError(f"the graph needs operators of “{strange[0][:80]}”, which a bundle may not bring along")
    weights = set(found.weights)
    fault = fault_of(found.steps, [name for name in found.inputs if name not in weights], weights)
    if fault is None:
        held = {"functions": found.functions, "a graph within a node": found.bodies, "training": found.training}
        fault = next(
            (f"it holds {what}, which answering has no use for" for what, there in held.items() if there), None
        )
    if fault is None and found.sparse:
        fault = "it holds sparse weights, which a few bytes could make any size"
    if fault is not None:
        raise BundleError(
            f"the graph is refused: {fault}; export the network again for inference, with plain operators"
        )
