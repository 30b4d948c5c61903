"""The announcement of a server when it starts, as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.memory import available_memory, shown_size

if TYPE_CHECKING:
    from .server import Server
    from .settings import Settings
    from .work.engine import Plan


def told(server: Server) -> list[tuple[str, str]]:
    """Write what is served, as lines for people."""
    models = server.shelf.models
    return [
        *(("Model", f"{model.name} {model.version} ({model.predictor.manifest.name})") for model in models),
        ("Work", _plan_line(server.engine.plan)),
        ("Images", _kept_line(server.settings)),
        ("Memory", _memory_line(server)),
        ("Alarms", _alarms_line(server)),
    ]


def _plan_line(planned: Plan) -> str:
    """Say in words how images are put through."""
    batch = "one image a run" if planned.max_batch == 1 else f"up to {planned.max_batch} images a run"
    wait = f", waiting up to {planned.max_wait_s * 1000:.0f} ms for more" if planned.max_wait_s else ""
    speed = f", about {planned.images_per_s:.0f} images/s" if planned.images_per_s else ""
    return f"{planned.workers} workers, {batch}{wait}; {planned.queue} images may wait{speed}"


def _memory_line(server: Server) -> str:
    """Say how much memory the server may take, and how large a picture that allows."""
    from ..data.image.true_size import MAX_PIXELS

    memory, settings = server.memory, server.settings
    each = " a process" if settings.processes > 1 else ""
    pixels = f"images of up to {settings.limits.pixels / 1e6:.1f} million pixels"
    short = (
        " (all that the memory holds)" if memory.pixels < MAX_PIXELS and settings.limits.pixels == memory.pixels else ""
    )
    beyond = "; more than this machine has" if memory.total * settings.processes > available_memory() else ""
    return f"up to {shown_size(memory.total)}{each}; {pixels}{short}{beyond}"


def _alarms_line(server: Server) -> str:
    """Say what an alarm does, how many stand, and who is told."""
    from .work.webhook_address import shown_address

    does = (
        "turn accepted answers into reviewed ones"
        if server.alarms.on_alarm == "review"
        else "are told, and change nothing"
    )
    told = "" if server.webhook is None else f"; told to {shown_address(server.webhook.url)}"
    served = {(model.name, model.version) for model in server.shelf.models}
    standing = sum((alarm.model, alarm.bundle_id) in served for alarm in server.alarms.standing.alarms)
    return f"{does}{told}; {standing or 'none'} stand{'s' if standing == 1 else ''} now"


def _kept_line(settings: Settings) -> str:
    rule = settings.retention
    if not rule.keeps_hash:
        return "not kept, nor their hashes"
    if not rule.keeps_input:
        return "not kept, only their hashes"
    metadata = "with their metadata" if settings.keep_metadata else "without their metadata"
    return f"kept {'for good' if rule.days is None else f'for {rule.days} days'}, {metadata}"
