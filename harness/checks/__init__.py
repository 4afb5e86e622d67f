"""Checks: functions from a case and its trace to scores."""

from harness.checks.context import NEXT, Check, CheckContext
from harness.checks.custom import adapt
from harness.checks.registry import BUILT_IN, applicable, run_checks, unchecked

__all__ = ["BUILT_IN", "NEXT", "Check", "CheckContext", "adapt", "applicable", "run_checks", "unchecked"]
