"""The sides of a comparison: what `harness compare` was given, found and read, and put against each other."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.cli.output import now
from harness.cli.project import find_root, open_project
from harness.cli.replay import of_variants
from harness.errors import ConfigError, ExperimentMissing, UsageError
from harness.schema import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.baseline import Baseline
    from harness.compare import Comparison
    from harness.config import Project
    from harness.difference import Difference
    from harness.experiment import Experiment, Trial
    from harness.metric import Tally
    from harness.report.compared import Compared
    from harness.store import ExperimentFolder

_CASES_LOOKED_AT = 100  # what single cases did differently is looked for in so many, the most important first


class Side(NamedTuple):
    """What stands on one side: each suite as a baseline holds it, and the experiment where there is one, with its counts."""

    name: str
    suites: "dict[str, Baseline]"
    folder: "ExperimentFolder | None" = None
    head: "Experiment | None" = None
    counts: "dict[str, Tally]" = {}

    @property
    def experiment(self) -> "tuple[ExperimentFolder, Experiment]":
        """Return the experiment of a candidate, which always has one."""
        if self.folder is None or self.head is None:
            message = f"{self.name}: a baseline can only be the base; the candidate is an experiment or a variant"
            raise UsageError(message)
        return self.folder, self.head

    def only(self, suite: str) -> "Side":
        """Return this side with only one of its suites."""
        return self._replace(suites={suite: self.suites[suite]})


def sides(config_path: Path | None, base: str, candidate: str) -> tuple[Side, Side]:
    """Return both sides; those that are variants of a suite are run now, in one experiment."""
    root = find_root(config_path)
    found = {name: _stored(root, name, judged=name == candidate) for name in (base, candidate) if not _is_variant(config_path, root, name)}
    if candidate in found and not found[candidate].folder:
        message = f"{candidate}: a baseline can only be the base; the candidate is an experiment or a variant"
        raise UsageError(message)
    wanted = [name for name in dict.fromkeys((base, candidate)) if name not in found]
    if wanted:
        ran = of_experiment(of_variants(open_project(config_path), wanted).folder)
        found |= {name: ran.only(name.removesuffix("@default")) for name in wanted}
    return found[base], found[candidate]


def _is_variant(config_path: Path | None, root: Path, name: str) -> bool:
    """Tell whether this names a suite of the config or a variant of one, and no file and no experiment; refuse what names nothing."""
    from harness import store

    if _is_file(name):
        return False
    try:
        store.open_experiment(root, name)
    except ExperimentMissing:
        if name == "latest":
            raise
        return _names_variant(config_path, name)
    return False


def _names_variant(config_path: Path | None, name: str) -> bool:
    suite, at, variant = name.partition("@")
    if config_path is None and not _has_config():
        return False
    project = open_project(config_path)
    suites = project.config.suites
    if suite not in suites:
        what = "suite" if at else "experiment, baseline file or suite"
        message = f"there is no {what} {suite!r}{nearest(suite, suites)}"
        raise UsageError(message)
    return _has_variant(project, suite, variant or "default")


def _has_config() -> bool:
    from harness import config

    try:
        config.find(Path.cwd())
    except ConfigError:
        return False
    return True


def _has_variant(project: "Project", suite: str, variant: str) -> bool:
    known = project.config.suites[suite].variants
    if variant not in known:
        message = f"suite {suite!r} has no variant {variant!r}; it has {', '.join(sorted(known))}"
        raise UsageError(message)
    return True


def _is_file(name: str) -> bool:
    path = Path(name)
    return path.suffix == ".json" and path.name != "experiment.json"


def _stored(root: Path, name: str, *, judged: bool) -> Side:
    """Return an experiment by id, path or `latest`, or a baseline by its file."""
    from harness import store

    if _is_file(name):
        baseline = store.read_baseline(Path(name))
        return Side(f"baseline of experiment {baseline.experiment}", {baseline.standings.name: baseline})
    folder = store.open_experiment(root, name)
    return of_experiment(folder) if judged else as_base(folder)


def as_base(folder: "ExperimentFolder") -> Side:
    """Return a finished experiment as a base, of which nothing needs to be judged."""
    from harness.baseline import Baseline
    from harness.cli.experiments import finished

    head = finished(folder)
    suites = {name: Baseline.of(head, standings, forced=False) for name, standings in folder.standings().items()}
    return Side(head.id, suites, folder)


def of_experiment(folder: "ExperimentFolder") -> Side:
    """Return a finished experiment as a side that can be judged."""
    from harness.baseline import Baseline
    from harness.cli.experiments import finished

    head, gathered = finished(folder), folder.gathered(now().date())
    suites = {name: Baseline.of(head, one.standings, forced=False) for name, one in gathered.items()}
    return Side(head.id, suites, folder, head, {name: one.tally for name, one in gathered.items()})


def compare_sides(before: Side, after: Side, *, force: bool = False, forgiving: bool = False) -> "list[Compared]":
    """Compare what is on both sides; UsageError where the sides are not alike, unless forced."""
    pairs = _pairs(before, after)
    compared = [_compared(before, after, *names, forgiving=forgiving) for names in pairs]
    alone = _alone(before, after, pairs)
    unlike = [*alone, *(what for one in compared for what in one.comparison.unlike)]
    if unlike and not force:
        message = f"{before.name} and {after.name} are not alike: {'; '.join(unlike)}; --force compares them all the same"
        raise UsageError(message)
    first, *others = compared
    told = first.comparison.model_copy(update={"unlike": (*first.comparison.unlike, *alone)})
    return [first._replace(comparison=told), *others]


def _pairs(before: Side, after: Side) -> list[tuple[str, str]]:
    """Return the suites that are on both sides; where each side has only one, these two."""
    if len(before.suites) == len(after.suites) == 1:
        return [(next(iter(before.suites)), next(iter(after.suites)))]
    shared = [(name, name) for name in before.suites if name in after.suites]
    if not shared:
        message = f"{before.name} and {after.name} have no suite in common: {', '.join(before.suites)}, and {', '.join(after.suites)}"
        raise UsageError(message)
    return shared


def _alone(before: Side, after: Side, pairs: "Sequence[tuple[str, str]]") -> list[str]:
    """Name the suites that only one side has."""
    left = [name for name in before.suites if name not in {base for base, _ in pairs}]
    right = [name for name in after.suites if name not in {candidate for _, candidate in pairs}]
    told = ((left, before), (right, after))
    return [f"only {side.name} has {', '.join(names)}" for names, side in told if names]


def _compared(before: Side, after: Side, base: str, candidate: str, *, forgiving: bool) -> "Compared":
    from harness.compare import compare as pair
    from harness.gate import judge_candidate
    from harness.report.compared import Compared

    old, new = before.suites[base], after.suites[candidate].standings
    comparison = pair(old.standings, new, price_tables=(old.price_table, after.suites[candidate].price_table))
    repeats, stopped = (after.head.repeat, after.head.stopped) if after.head else (1, "")
    verdict = judge_candidate(old, new, after.counts[candidate], repeats=repeats, forgiving=forgiving, stopped=stopped, today=now().date())
    if before.folder and after.folder and (before.folder.path.resolve(), base) == (after.folder.path.resolve(), candidate):
        verdict = verdict.model_copy(update={"notes": (*verdict.notes, "both sides are the same trials, which cannot differ")})
    return Compared(
        comparison,
        verdict,
        (_origin(before, old), _origin(after, after.suites[candidate])),
        (old.standings.nodes, new.nodes),
        _differences(comparison, before.folder, after.folder),
    )


def _origin(side: Side, suite: "Baseline") -> str:
    return f"{side.name}{f' at {suite.commit[:10]}' if suite.commit else ''}"


def _differences(
    comparison: "Comparison", before: "ExperimentFolder | None", after: "ExperimentFolder | None"
) -> "dict[str, tuple[Difference, ...]]":
    """Return what single cases did differently, where both sides are experiments."""
    from harness.compare import MOVEMENTS
    from harness.difference import differences

    if before is None or after is None:
        return {}
    ranked = sorted((pair for pair in comparison.pairs if pair.changed), key=lambda pair: MOVEMENTS.index(pair.movement))
    told = frozenset(pair.case for pair in ranked[:_CASES_LOOKED_AT])
    firsts = [_first_trials(folder, told, name) for folder, name in ((before, comparison.base), (after, comparison.candidate))]
    return {case: differences(firsts[0][case], firsts[1][case]) for case in sorted(told) if case in firsts[0] and case in firsts[1]}


def _first_trials(folder: "ExperimentFolder", cases: frozenset[str], suite: str) -> "dict[str, Trial]":
    from harness.experiment import suite_name

    return {one.case: one for one in folder.trials_of(cases) if one.repeat == 1 and suite_name(one.suite, one.variant) == suite}


def between_variants(folder: "ExperimentFolder", *, forgiving: bool) -> "tuple[list[Compared], list[str]]":
    """Compare, suite by suite, each further variant of an experiment with the first one; also return the suites with a single one."""
    ran = of_experiment(folder)
    variants: dict[str, list[str]] = {}
    for name, suite in ran.suites.items():
        variants.setdefault(suite.standings.provenance.suite, []).append(name)
    pairs = [(first, other) for first, *others in variants.values() for other in others]
    alone = [suite for suite, names in variants.items() if len(names) == 1]
    return [_compared(ran, ran, base, candidate, forgiving=forgiving) for base, candidate in pairs], alone
