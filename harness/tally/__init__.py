"""The count of a suite's trials: outcomes, failures, routes, what was spent, what was stale."""

from harness.tally.count import NO_SHAPE, Count, Drift
from harness.tally.failures import ALWAYS_CHECKED, Failing, Failure
from harness.tally.staleness import Renewal, StaleCause
from harness.tally.wording import counted, node_name

__all__ = ["ALWAYS_CHECKED", "NO_SHAPE", "Count", "Drift", "Failing", "Failure", "Renewal", "StaleCause", "counted", "node_name"]
