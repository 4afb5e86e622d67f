"""`harness compare`: two experiments, baselines or variants, case by case."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.group import main
from harness.cli.output import now, screen
from harness.cli.project import CONFIG_HERE, find_root, open_project
from harness.cli.replay import of_variants
from harness.errors import ConfigError, ExperimentMissing, UsageError

if TYPE_CHECKING:
    from harness.baseline import Baseline
    from harness.compare import Comparison
    from harness.difference import Difference
    from harness.experiment import Trial
    from harness.metric import Tally
    from harness.report.comparison import Compared
    from harness.store import ExperimentFolder

_CASES_LOOKED_AT = 100  # what single cases did differently is looked for in so many, the most important first


class _Side(NamedTuple):
    """What stands on one side: each suite as a baseline holds it, and the experiment where there is one, with its counts."""

    name: str
    suites: "dict[str, Baseline]"
    folder: "ExperimentFolder | None" = None
    counts: "dict[str, Tally]" = {}

    def only(self, suite: str) -> "_Side":
        """Return this side with only one of its suites."""
        return self._replace(name=suite, suites={suite: self.suites[suite]})


@main.command()
@CONFIG_HERE
@click.argument("base")
@click.argument("candidate")
@click.option("--force", is_flag=True, help="Compare although datasets, checks or price tables differ.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def compare(config_path: Path | None, /, *, config_here: Path | None, base: str, candidate: str, force: bool, as_json: bool) -> int:
    """Pair two experiments, baselines or variants (SUITE@VARIANT) case by case, and judge the candidate against the base."""
    from harness.gate import overall
    from harness.report import comparison as report

    before, after = _sides(config_here or config_path, base, candidate)
    compared = compare_sides(before, after, force=force)
    click.echo(report.document(compared) if as_json else report.show(compared, **screen()), nl=False)
    return int(overall(one.verdict for one in compared))


def _sides(config_path: Path | None, base: str, candidate: str) -> tuple[_Side, _Side]:
    """Return both sides; those that are variants of a suite are run now, in one experiment."""
    root = find_root(config_path)
    sides = {name: _stored(root, name) for name in (base, candidate) if not _is_variant(config_path, root, name)}
    wanted = [name for name in dict.fromkeys((base, candidate)) if name not in sides]
    if wanted:
        ran = of_experiment(of_variants(open_project(config_path), wanted).folder)
        sides |= {name: ran.only(_suite_name(name)) for name in wanted}
    if not sides[candidate].folder:
        message = f"{candidate}: a baseline can only be the base; the candidate is an experiment or a variant"
        raise UsageError(message)
    return sides[base], sides[candidate]


def _suite_name(named: str) -> str:
    return named.removesuffix("@default")


def _is_variant(config_path: Path | None, root: Path, name: str) -> bool:
    """Tell whether this names a suite of the config or a variant of one, and no experiment."""
    from harness import store

    suite, _, variant = name.partition("@")
    try:
        suites = open_project(config_path).config.suites
        store.open_experiment(root, name)
    except ConfigError:
        return False
    except ExperimentMissing:
        return suite in suites and (not variant or variant in suites[suite].variants)
    return False


def _stored(root: Path, name: str) -> _Side:
    """Return an experiment by id, path or `latest`, or a baseline by its file."""
    from harness import store

    path = Path(name)
    if path.suffix == ".json" and path.name != "experiment.json":
        baseline = store.read_baseline(path)
        return _Side(name, {baseline.standings.name: baseline})
    return of_experiment(store.open_experiment(root, name))


def of_experiment(folder: "ExperimentFolder") -> _Side:
    """Return a finished experiment as a side."""
    from harness.baseline import Baseline
    from harness.cli.experiments import finished

    head, gathered = finished(folder), folder.gathered(now().date())
    suites = {name: Baseline.of(head, one.standings, forced=False) for name, one in gathered.items()}
    return _Side(head.id, suites, folder, {name: one.tally for name, one in gathered.items()})


def compare_sides(before: _Side, after: _Side, *, force: bool = False) -> "list[Compared]":
    """Compare what is on both sides; UsageError where the sides are not alike, unless forced."""
    compared = [_compared(before, after, *names) for names in _pairs(before, after)]
    unlike = [what for one in compared for what in one.comparison.unlike]
    if unlike and not force:
        message = f"{before.name} and {after.name} are not alike: {'; '.join(unlike)}; --force compares them all the same"
        raise UsageError(message)
    return compared


def _pairs(before: _Side, after: _Side) -> list[tuple[str, str]]:
    """Return the suites that are on both sides; where each side has only one, these two."""
    if len(before.suites) == len(after.suites) == 1:
        return [(next(iter(before.suites)), next(iter(after.suites)))]
    shared = [(name, name) for name in before.suites if name in after.suites]
    if not shared:
        message = f"{before.name} and {after.name} have no suite in common: {', '.join(before.suites)}, and {', '.join(after.suites)}"
        raise UsageError(message)
    return shared


def _compared(before: _Side, after: _Side, base: str, candidate: str) -> "Compared":
    from harness.compare import compare as pair
    from harness.gate import Against, judge
    from harness.report.comparison import Compared

    old, new = before.suites[base], after.suites[candidate].standings
    comparison = pair(old.standings, new, price_tables=(old.price_table, after.suites[candidate].price_table))
    return Compared(
        comparison,
        judge(new.provenance, after.counts[candidate], against=Against(old, new.cases, new.metrics), today=now().date()),
        (old.standings.nodes, new.nodes),
        _differences(comparison, before.folder, after.folder),
    )


def _differences(
    comparison: "Comparison", before: "ExperimentFolder | None", after: "ExperimentFolder | None"
) -> "dict[str, tuple[Difference, ...]]":
    """Return what single cases did differently, where both sides are experiments."""
    from harness.compare import MOVEMENTS
    from harness.difference import differences

    if before is None or after is None:
        return {}
    ranked = sorted(comparison.pairs, key=lambda pair: MOVEMENTS.index(pair.movement))
    told = frozenset([pair.case for pair in ranked if pair.drift or pair.movement != "same"][:_CASES_LOOKED_AT])
    sides = [_first_trials(folder, told, name) for folder, name in ((before, comparison.base), (after, comparison.candidate))]
    return {case: differences(sides[0][case], sides[1][case]) for case in sorted(told) if case in sides[0] and case in sides[1]}


def _first_trials(folder: "ExperimentFolder", cases: frozenset[str], suite: str) -> "dict[str, Trial]":
    from harness.experiment import suite_name

    return {one.case: one for one in folder.trials_of(cases) if one.repeat == 1 and suite_name(one.suite, one.variant) == suite}
