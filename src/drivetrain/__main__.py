"""``python -m drivetrain``."""

from .cli.main import run

run()
