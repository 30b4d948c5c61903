"""The table of a person's choices for a server, from which ``drivetrain serve`` has its options and its checks.

Nothing heavy may be imported here: ``--help`` is built from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.errors import UsageError
from ..core.given import read_given
from ..core.memory import parse_size
from ..core.option import Option, Row, filled, option, rows

if TYPE_CHECKING:
    from ..core.retention import Retention

# Within this an image is to be answered, where nothing else is said.
TARGET_MS = 500.0


@dataclass(frozen=True)
class ServeOptions:
    """The choices of ``drivetrain serve``, in the order in which help lists them; they travel to other processes as JSON."""

    bundles: tuple[str, ...]
    host: str = option(
        "127.0.0.1",
        Option("Address to listen on. Others can reach all but 127.0.0.1: they need keys.", shown=True),
    )
    port: int = option(8000, Option("Port; 0 takes any that is free.", low=0, high=65535, shown=True))
    store: str | None = option(
        None,
        Option("Where answers are kept: a SQLite file or postgresql://…", env="DRIVETRAIN_STORE"),
    )
    """The store's place; None: the default, see `store.default_store.default_store_url`."""
    images: str = option(
        "30d", Option("What is kept of images: none, hash, keep, or days such as {default}.", shown=True)
    )
    keep_metadata: bool = option(False, Option("Keep EXIF and the like (places, owners) in images that are kept."))
    processes: int = option(1, Option("Processes that share the port.", low=1, shown=True))
    target_ms: float | None = option(
        None,
        Option(
            f"An image should be answered within this ({TARGET_MS:g} unless given); batch and queue follow from it.",
            low=1,
        ),
    )
    max_batch: int | None = option(None, Option("Images a run; measured at start if not given.", low=1))
    max_wait_ms: float | None = option(
        None, Option("How long a run waits to fill; measured at start if not given.", low=0)
    )
    queue: int | None = option(None, Option("Images that may wait; follows from the target.", low=1))
    workers: int | None = option(None, Option("Threads that work; one more than cores.", low=1))
    deadline_s: float = option(10.0, Option("Seconds after which a request gives up.", low=0.001, shown=True))
    max_body_mb: int = option(64, Option("MiB a request may have.", low=1, shown=True))
    max_images: int = option(64, Option("Images a request may have.", low=1, shown=True))
    max_megapixels: float | None = option(
        None,
        Option("Million pixels an image may have: 89.4 unless given, as in every command, or what the memory holds."),
    )
    memory: int | None = option(
        None,
        Option(
            "Memory for all processes, such as 2G; unless given half of the machine's, at most 4G a process.",
            read=parse_size,
        ),
    )
    """Bytes."""
    upload_s: float = option(30.0, Option("Seconds a request's body may take to arrive.", above=0, shown=True))
    samples: Path | None = option(None, Option("Folder of pictures the console offers to try.", metavar="FOLDER"))
    drain_s: float = option(20.0, Option("Seconds to end what is under way, when told to stop.", low=0, shown=True))
    log: Literal["text", "json"] = option("text", Option("Form of the log on stderr.", shown=True))
    log_requests: bool = option(False, Option("A line in the log for every request."))
    golden: bool = option(True, Option("Skip the replay of the golden images on loading.", flag="--no-golden"))
    verify: Path | None = option(None, Option("Take only a bundle signed with this public key.", metavar="KEY.pub"))
    other_classes: bool = option(
        False, Option("Also take a new version that answers with other names.", flag="--allow-other-classes")
    )
    on_alarm: Literal["review", "tell"] = option(
        "review",
        Option(
            "What a monitor's alarm does: review turns its source's accepted answers into reviewed ones until a person clears "
            "it; tell only tells.",
            shown=True,
        ),
    )
    webhook: str | None = option(
        None, Option("Address that is told of alarms raised and cleared: https://…", metavar="URL")
    )
    webhook_secret_file: Path | None = option(
        None, Option("File with the secret that what is sent to --webhook is signed with.", metavar="FILE")
    )
    watch_s: float | None = option(2.0, Option(low=0.01))
    """Seconds between two looks for a new version of a bundle; None: never. The command line cannot set it."""
    memory_held: int | None = None
    """The part of ``memory`` that the process holds that started the others. Each of them holds as much; if each looked for
    itself,
    one that holds a page more could refuse to start for ever."""

    def check(self) -> None:
        """Check that each choice may be made, and has an effect beside the others.

        Raises:
            UsageError: one of them may not, or would be ignored, which would mislead.
        """
        from ..core.retention import Retention

        read_given(table(), asdict(self))
        self._check_pixels()
        self._refuse_ignored(Retention.parse(self.images))
        self._check_webhook()

    def _check_pixels(self) -> None:
        from ..data.image.true_size import MAX_PIXELS

        if self.max_megapixels is not None and not 0 < self.max_megapixels * 1e6 <= MAX_PIXELS:
            raise UsageError(
                f"max_megapixels is {self.max_megapixels}; it must be more than 0, and at most {MAX_PIXELS / 1e6:.2f}: no "
                "larger image is decoded anywhere"
            )

    def _check_webhook(self) -> None:
        from .work.webhook_address import checked_address

        if self.webhook is None and self.webhook_secret_file is not None:
            raise UsageError(
                "--webhook-secret-file signs what is sent to --webhook, and there is none; name one, or leave it out"
            )
        if self.webhook is not None:
            checked_address(self.webhook)
            if self.webhook_secret_file is None:
                raise UsageError(
                    "--webhook needs --webhook-secret-file: whoever receives a message tells by its signature that it is from "
                    "this server; make one with: openssl rand -hex 32 > hook.secret"
                )

    def _refuse_ignored(self, retention: Retention) -> None:
        if self.keep_metadata and not retention.keeps_input:
            raise UsageError(
                f"--keep-metadata is about images that are kept, and with --images {self.images} none is; leave one of the two "
                "out"
            )
        if self.max_batch == 1 and self.max_wait_ms is not None:
            raise UsageError(
                "--max-wait-ms is how long a run waits for more images, and --max-batch 1 takes no more; leave one out"
            )
        if self.target_ms is not None and None not in (self.max_batch, self.max_wait_ms, self.queue):
            raise UsageError(
                "--target-ms is what --max-batch, --max-wait-ms and --queue follow from, and all three are given; leave it out"
            )


@cache
def table() -> tuple[Row, ...]:
    """Every choice but the bundles."""
    return rows(ServeOptions)


def serve_options(bundles: tuple[str, ...], given: Mapping[str, object]) -> ServeOptions:
    """Options from what was given by name, the others at their defaults.

    Raises:
        UsageError: a value cannot be chosen.
    """
    return filled(ServeOptions, {**read_given(table(), given), "bundles": bundles})
