"""The command line: parse, call, print. Each command imports what it needs, so that none pays for another."""

from harness.cli import cassettes, compare, experiments, importing, prompts, record, run, scan, serve, sweep  # noqa: F401, they add their commands
from harness.cli.group import main

__all__ = ["main"]
