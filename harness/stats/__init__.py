"""Statistics, pure: figures of one experiment, differences between two, and how many cases a question needs."""

from harness.stats.figures import BINS, Bin, Calibration, Confusion, RouteFigures, calibration, confusion, mean, quantile, wilson
from harness.stats.paired import Pairs, bootstrap_interval, bootstrap_intervals, difference_interval, mcnemar, non_inferiority
from harness.stats.power import cases_for, detectable_drop, power
from harness.stats.several import holm, pass_all, pass_any
from harness.stats.shares import exact_interval

__all__ = [
    "BINS",
    "Bin",
    "Calibration",
    "Confusion",
    "Pairs",
    "RouteFigures",
    "bootstrap_interval",
    "bootstrap_intervals",
    "calibration",
    "cases_for",
    "confusion",
    "detectable_drop",
    "difference_interval",
    "exact_interval",
    "holm",
    "mcnemar",
    "mean",
    "non_inferiority",
    "pass_all",
    "pass_any",
    "power",
    "quantile",
    "wilson",
]
