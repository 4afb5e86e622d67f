"""Upkeep of a project's cassettes: every file is read, and replayed under every variant to see what its trials play."""

import contextlib
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from harness import store
from harness.cassette.draws import draws
from harness.cassette.surplus import surplus
from harness.cassette.upkeep import CassetteFile, Pruning
from harness.config import Project
from harness.dataset import Case, parse
from harness.errors import CassetteError
from harness.runner.plan import Bench, by_case, prepare
from harness.runner.run import sealed_without_keys
from harness.runner.selection import Selection
from harness.runner.trial import TrialRunner
from harness.schema import nearest

_FEW_NAMES = 20

Key = tuple[str, str | None]
"""A suite and a case of it."""

Progress = Callable[[int, int], None]
"""Told how many cases of how many are replayed."""


def survey(project: Project, suites: Sequence[str], *, progress: Progress) -> list[CassetteFile]:
    """Read every cassette file of the suites, or of the project, and replay its case under every variant, offline."""
    cases = {name: _cases(project, name) for name in suites or project.config.suites}
    files = [_file(project, path, cases) for path in store.cassette_files(project.root)]
    chosen = [file for file in files if not suites or file.suite in cases]
    waiting: dict[Key, int] = {
        (file.suite, file.case): index for index, file in enumerate(chosen) if file.case is not None and file.exchanges
    }
    for done, (key, found) in enumerate(_replayed(project, {suite for suite, _ in waiting}, waiting.keys()), start=1):
        progress(done, len(waiting))
        index = waiting[key]
        exchanges = chosen[index].exchanges or ()
        known = {"surplus": surplus(exchanges, found)} if isinstance(found, list) else {"unknown": found}
        chosen[index] = replace(chosen[index], **known)
    return chosen


def _cases(project: Project, name: str) -> dict[str, str]:
    """Return the case ids of a suite by the names of the files that they are replayed from."""
    suite = project.suite(name)
    dataset = parse(store.read_dataset_text(project.root, suite.dataset), name=name, path=suite.dataset)
    return {
        (store.cassette_file(project.root, name, case.id) or store.cassette_path(project.root, name, case.id)).name: case.id
        for case in dataset.cases
    }


def _file(project: Project, path: Path, cases: dict[str, dict[str, str]]) -> CassetteFile:
    parts = path.relative_to(project.root / "cassettes").parts
    suite = "/".join(parts[:-1])
    case = cases.get(suite, {}).get(path.name)
    file = CassetteFile(str(path.relative_to(project.root)), path.stat().st_size, suite, case)
    if case is None:
        file = replace(file, orphaned=_orphaned(project, path, suite, cases))
    try:
        return replace(file, exchanges=store.read_exchanges(path, shown=file.shown))
    except CassetteError as error:
        return replace(file, problem=str(error))


def _orphaned(project: Project, path: Path, suite: str, cases: dict[str, dict[str, str]]) -> str:
    if suite not in project.config.suites:
        return f"there is no suite {suite!r}{nearest(suite, project.config.suites)}" if suite else "it belongs to no suite"
    names = cases.get(suite, {})
    stem = store.cassette_stem(path.name)
    if f"{stem}.yaml" in names:
        return f"its case is replayed from {stem}.yaml"
    near = nearest(stem, names.values())
    is_short = near.startswith("; did") or len(names) <= _FEW_NAMES
    return f"{project.config.suites[suite].dataset} has no case {stem!r}{near if is_short else ''}"


def _replayed(project: Project, suites: set[str], wanted: Collection[Key]) -> Iterator[tuple[Key, list[frozenset[int]] | str]]:
    """Yield for each case what the trial of each variant played, or why that cannot be told."""
    names = [name for name in project.config.suites if name in suites]
    if not names:
        return
    variants = dict.fromkeys(variant for name in names for variant in project.config.suites[name].variants)
    with contextlib.redirect_stdout(sys.stderr), sealed_without_keys():
        plan = prepare(project, Selection(suites=names, variants=tuple(variants)))
        runner = TrialRunner(project.root, project.config.prices)
        try:
            for name in names:
                benches = [bench for bench in plan.benches if bench.name == name]
                for case, running in by_case(benches):
                    if (name, case.id) in wanted:
                        yield (name, case.id), _plays(project, running, case, runner)
        finally:
            runner.close()


def _plays(project: Project, benches: Sequence[Bench], case: Case, runner: TrialRunner) -> list[frozenset[int]] | str:
    plays = []
    exchanges = store.read_cassette(project.root, benches[0].name, case.id)
    drawn = [(bench, draw) for bench in benches for draw in range(1, draws(exchanges, bench.variant) + 1)]
    for bench, draw in drawn:
        trial = runner.run(bench, case, draw, exchanges)
        if trial.outcome in {"stale", "error"}:
            reason = trial.reasons[0] if trial.reasons else "no reason"
            return f"its trial under variant {bench.variant!r} is {trial.outcome}: {reason}"
        plays.append(runner.needed)
    return plays


def prune(project: Project, plan: Sequence[Pruning]) -> Iterator[tuple[Pruning, CassetteError | None]]:
    """Remove what is planned, file by file; a file that changed meanwhile, or that cannot be cut to the byte, stays as it is."""
    for pruning in plan:
        try:
            _prune(project, pruning)
        except CassetteError as error:
            yield pruning, error
        else:
            yield pruning, None


def _prune(project: Project, pruning: Pruning) -> None:
    file = pruning.file
    if store.read_exchanges(project.root / file.shown, shown=file.shown) != file.exchanges:
        message = f"{file.shown}: it changed meanwhile; nothing was removed"
        raise CassetteError(message)
    store.cut_cassette(project.root, project.root / file.shown, pruning.indices)
