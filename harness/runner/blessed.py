"""The baselines that a plan is held to."""

from harness import store
from harness.baseline import Baseline
from harness.errors import ConfigError
from harness.experiment import suite_name
from harness.runner.plan import Bench, Plan


def baselines_of(plan: Plan) -> dict[str, Baseline]:
    """Return the baselines of a plan's suites, by name; ConfigError where a suite was renamed and so lost the one that it had."""
    root = plan.project.root
    benches = {suite_name(bench.name, bench.variant): bench for bench in plan.benches}
    found = store.read_baselines(root, tuple(benches))
    alone = {name: bench for name, bench in benches.items() if name not in found}
    known = {suite_name(name, variant) for name, suite in plan.project.config.suites.items() for variant in suite.variants}
    for path, orphan in store.orphaned_baselines(root, known) if alone else ():
        renamed = next((name for name, bench in alone.items() if _is_same(bench, orphan)), None)
        if renamed is not None:
            message = (
                f"suite {renamed!r} has no baseline, and {path.relative_to(root)} is that of {orphan.standings.name!r}, which had the same "
                f"graph and dataset and is not in the config: if it was renamed, delete that file, run {renamed!r}, and bless it"
            )
            raise ConfigError(message)
    return found


def _is_same(bench: Bench, orphan: Baseline) -> bool:
    was = orphan.standings.provenance
    return (bench.suite.graph, bench.suite.dataset, bench.variant) == (was.graph, was.dataset, was.variant)
