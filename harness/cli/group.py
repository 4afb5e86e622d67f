"""The command `harness` itself: its problems end as one line and an exit code."""

import sys
import traceback
from pathlib import Path
from typing import Any

import click

from harness import __version__
from harness.errors import ExitCode, HarnessError


class Commands(click.Group):
    """Turns every problem that the user can mend into one line and its exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a command and exit with what it returns."""
        kwargs["standalone_mode"] = False
        try:
            sys.exit(super().main(*args, **kwargs) or ExitCode.PASS)
        except HarnessError as error:
            complain(str(error), error.exit_code)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            sys.exit(ExitCode.USAGE)
        except click.ClickException as error:
            context = error.ctx if isinstance(error, click.UsageError) else None
            hint = f" (see `{context.command_path} --help`)" if context else ""
            complain(f"{error.format_message().rstrip('.')}{hint}", ExitCode.USAGE)
        except (KeyboardInterrupt, click.Abort):
            complain("interrupted", ExitCode.INTERRUPTED)
        except OSError as error:
            complain(f"{error.filename or 'file'}: {error.strerror or error}", ExitCode.USAGE)
        except Exception:  # noqa: BLE001, ours: it must not end as 1, which says that a gate failed
            from harness.cassette.redact import BUILT_IN

            click.echo(BUILT_IN.text(traceback.format_exc()), err=True)
            complain("this is an error of the harness itself; please report it with the lines above", ExitCode.CRASHED)


def complain(message: str, code: ExitCode) -> None:
    """Say in one line what is wrong, and exit."""
    from harness.cassette.redact import BUILT_IN

    click.echo(f"harness: {BUILT_IN.text(message)}", err=True)
    sys.exit(code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path),
    help="The config file; by default the nearest harness.toml or pyproject.toml.",
)
@click.version_option(__version__, prog_name="harness")
@click.pass_context
def main(context: click.Context, config_path: Path | None) -> None:
    """Regression tests for LangGraph agents: replay, check, gate."""
    context.obj = config_path
