"""`harness run`."""

from pathlib import Path
from typing import Any

import click

from harness.cli.group import main
from harness.cli.numbers import Number
from harness.cli.output import check_outputs, show_verdict, write_report
from harness.cli.project import FAIL_ON, open_project, selecting_cases


@main.command()
@selecting_cases
@click.option("--repeat", type=click.IntRange(min=1), default=None, metavar="N", help="Run each case N times.")
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="FAULT@PLACE",
    help="Add a fault to every case, as rate_limit@model_call=1,times=2; may be given several times.",
)
@click.option("-j", "--jobs", type=click.IntRange(min=1), default=1, metavar="N", help="Worker processes.")
@click.option("--max-cost", type=Number(min=0), metavar="USD", help="Stop before the run would have cost more dollars.")
@click.option("--max-tokens", type=click.IntRange(min=0), metavar="N", help="Stop before the run would have used more tokens.")
@click.option(
    "--clock",
    type=click.Choice(["virtual", "real"]),
    default="virtual",
    show_default=True,
    help="Let recorded latencies, back-offs and time-outs pass on a simulated clock, or wait for them for real.",
)
@click.option("--resume", metavar="EXPERIMENT", help="Go on with an experiment that was interrupted or stopped.")
@click.option(
    "-o",
    "--output",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Also write a report: .html, .md, .xml (JUnit), .csv, .json or .parquet.",
)
@FAIL_ON
@click.option("--compare", is_flag=True, help="Compare each further variant with the first one, which takes two or more.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else, on standard output.")
@click.pass_obj
def run(
    config_path: Path | None,
    /,
    *,
    config_here: Path | None,
    repeat: int | None,
    jobs: int,
    max_cost: float | None,
    max_tokens: int | None,
    resume: str | None,
    outputs: tuple[Path, ...],
    fail_on: str,
    compare: bool,
    as_json: bool,
    **selecting: Any,
) -> int:
    """Replay, check, gate."""
    from harness.cli.compare import refuse_one_variant, show_variants
    from harness.cli.replay import Asked, replay
    from harness.runner.bounds import Bounds

    check_outputs(outputs)
    if compare and not resume:
        refuse_one_variant(selecting["variants"])
    asked = Asked(selecting, repeat=repeat or 1, jobs=jobs, resume=resume, forgiving=fail_on == "fail")
    ran = replay(open_project(config_here or config_path), asked, Bounds(max_cost, max_tokens))
    if compare:
        return show_variants(ran, outputs, config_path=config_here or config_path, forgiving=asked.forgiving, as_json=as_json)
    for path in outputs:
        write_report(path, *ran, config_path=config_here or config_path)
    return show_verdict(*ran, as_json=as_json)
