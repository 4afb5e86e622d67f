"""`harness cassettes …`: the commands on cassette files."""

from harness.cli.group import main


@main.group()
def cassettes() -> None:
    """Look after cassette files."""
