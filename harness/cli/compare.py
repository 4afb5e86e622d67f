"""`harness compare`: two experiments, baselines or variants, case by case; and the variants of a run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.group import main
from harness.cli.output import screen, show_verdict, write_report
from harness.cli.project import CONFIG_HERE, FAIL_ON
from harness.cli.sides import between_variants, compare_sides, sides
from harness.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from harness.cli.replay import Replayed
    from harness.cli.sides import Side
    from harness.gate import SuiteVerdict
    from harness.report.compared import Compared


@main.command()
@CONFIG_HERE
@click.argument("base")
@click.argument("candidate")
@click.option("--force", is_flag=True, help="Compare although datasets, selections, checks, faults or price tables differ.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write the comparison: .html, .md or .json; may be given several times.",
)
@FAIL_ON
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def compare(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    base: str,
    candidate: str,
    force: bool,
    outputs: tuple[Path, ...],
    fail_on: str,
    as_json: bool,
) -> int:
    """Pair two experiments, baselines or variants (SUITE@VARIANT) case by case, and judge the candidate against the base."""
    from harness.gate import overall
    from harness.report import comparison as report

    for path in outputs:
        if path.suffix not in {".html", ".md", ".json"}:
            message = f"-o {path}: a comparison is a .html, .md or .json file"
            raise UsageError(message)
    both = sides(config_here or config_path, base, candidate)
    compared = compare_sides(*both, force=force, forgiving=fail_on == "fail")
    for path in outputs:
        _write(path, compared, both, config_here or config_path)
    click.echo(report.document(compared) if as_json else report.show(compared, **screen()), nl=False)
    return int(overall(one.verdict for one in compared))


def _write(path: Path, compared: "Sequence[Compared]", both: "tuple[Side, Side]", config_path: Path | None) -> None:
    from harness import store
    from harness.cli.evidence import evidence_of_sides
    from harness.report import comparison, comparison_markdown, html

    renderers: dict[str, Callable[[], str]] = {
        ".html": lambda: html.html(evidence_of_sides(*both, compared, config_path)),
        ".md": lambda: comparison_markdown.markdown(compared),
        ".json": lambda: comparison.document(compared),
    }
    store.write_text(path, renderers[path.suffix]())


def refuse_one_variant(variants: "Sequence[str]") -> None:
    """Raise UsageError where there is nothing to compare a variant with."""
    if len(set(variants)) < 2:  # noqa: PLR2004, a base and a candidate
        message = "--compare wants two variants or more, as in `--variant default --variant v2`; the first one is the base"
        raise UsageError(message)


def show_variants(ran: "Replayed", outputs: "Sequence[Path]", *, config_path: Path | None, forgiving: bool, as_json: bool) -> int:
    """Print the verdicts of a run and how each further variant compares with the first one, write reports, and return the exit code.

    The base's own gate decides nothing where it merely failed or is inconclusive: whether a candidate may take its place does.
    """
    from harness.gate import overall
    from harness.report import comparison, comparison_markdown

    compared, alone = between_variants(ran.folder, forgiving=forgiving)
    if not compared:
        message = f"no suite ran under two variants ({', '.join(alone)}), so there is nothing to compare"
        raise UsageError(message)
    for path in outputs:
        write_report(path, *ran, config_path=config_path)
    whole = json.dumps(_document(ran, compared), indent=2, allow_nan=False) + "\n"
    for path in outputs:
        if path.suffix == ".json":
            _replace(path, whole)
        if path.suffix == ".md":
            _replace(path, f"{path.read_text('utf-8')}\n{comparison_markdown.markdown(compared)}")
    if as_json:
        click.echo(whole, nl=False)
    else:
        show_verdict(*ran, as_json=False)
        click.echo()
        click.echo(comparison.show(compared, label="verdict of the comparison", **screen()), nl=False)
        for suite in alone:
            click.echo(f"{suite} ran under one variant only, so it was not compared")
    return int(overall(_deciding(ran, compared)))


def _replace(path: Path, text: str) -> None:
    from harness import store

    store.write_text(path, text)


def _deciding(ran: "Replayed", compared: "Sequence[Compared]") -> "list[SuiteVerdict]":
    from harness.errors import ExitCode

    bases = {one.comparison.base for one in compared}
    harmless = {ExitCode.GATE_FAILED, ExitCode.INCONCLUSIVE}
    own = [(one.provenance.name, one.verdict) for one in ran.summaries]
    return [
        *(verdict for name, verdict in own if name not in bases or verdict.exit_code not in harmless),
        *(one.verdict for one in compared),
    ]


def _document(ran: "Replayed", compared: "Sequence[Compared]") -> "dict[str, object]":
    from harness.gate import overall, overall_verdict
    from harness.report import comparison, document

    run, deciding = json.loads(document.render(ran.head.id, ran.summaries)), _deciding(ran, compared)
    told = {"verdict": overall_verdict(deciding), "exit_code": int(overall(deciding))}
    return {**run, **told, "comparisons": json.loads(comparison.document(compared))["suites"]}
