"""The command line: parse, call, print. Each command imports what it needs, so that none pays for another."""

from harness.cli import (  # noqa: F401, they add their commands
    cassettes,
    compare,
    experiments,
    history,
    importing,
    prompts,
    record,
    run,
    scan,
    serve,
    show,
    sweep,
    trend,
    view,
)
from harness.cli.group import main

__all__ = ["main"]
