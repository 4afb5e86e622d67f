"""JUnit XML for CI systems: a testsuite a suite, a testcase a trial, and one for the suite's gate.

The gate has its own testcase because a broken bound or a missing case shows in no trial, and a file without testcases reads as green.
"""

from collections.abc import Iterable, Sequence
from math import fsum
from xml.sax.saxutils import escape, quoteattr

from harness.errors import ExitCode
from harness.experiment import Trial, suite_name
from harness.gate import SuiteVerdict, Summary
from harness.report.text import line, visible

GATE = "(gate)"


def junit(experiment: str, summaries: Sequence[Summary], trials: Iterable[Trial]) -> str:
    """Return the file; trials keep their order within their suite."""
    by_name = {summary.provenance.name: summary for summary in summaries}
    cases: dict[str, list[str]] = {name: [] for name in by_name}
    for trial in trials:
        name = suite_name(trial.suite, trial.variant)
        cases[name].append(_testcase(trial, _quarantine(trial, by_name[name])))
    suites = "".join(_testsuite(summary, cases[summary.provenance.name]) for summary in summaries)
    return f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name={_attribute(experiment)}>\n{suites}</testsuites>\n'


def _testsuite(summary: Summary, cases: list[str]) -> str:
    tally, verdict = summary.tally, summary.verdict
    name = summary.provenance.name
    counts = {
        "tests": tally.trials + 1,
        "failures": tally.decisive.failed + _fails(verdict),
        "errors": tally.decisive.errors + tally.stale,
        "skipped": tally.unscored + sum(outcomes["fail"] + outcomes["error"] for outcomes in tally.set_aside.values()),
    }
    attributes = " ".join(f'{key}="{count}"' for key, count in counts.items())
    return f"<testsuite name={_attribute(name)} {attributes}>\n{''.join(cases)}{_gate(name, verdict)}</testsuite>\n"


def _gate(name: str, verdict: SuiteVerdict) -> str:
    problem = _problem("failure", verdict.verdict, verdict.reasons) if _fails(verdict) else ""
    return _element(name, GATE, "", problem)


def _fails(verdict: SuiteVerdict) -> bool:
    return verdict.exit_code is not ExitCode.PASS


def _testcase(trial: Trial, quarantine: str) -> str:
    name = trial.case if trial.repeat == 1 else f"{trial.case} [repeat {trial.repeat}]"
    return _element(suite_name(trial.suite, trial.variant), name, _time(trial), quarantine or _outcome(trial))


def _quarantine(trial: Trial, summary: Summary) -> str:
    """Return what is said of a trial that failed or crashed in quarantine; nothing of any other."""
    if trial.outcome not in {"fail", "error"} or not summary.tally.sets_aside(trial):
        return ""
    why = summary.provenance.quarantine[trial.case]
    told = f"in quarantine until {why.until} (owner {why.owner}: {why.reason}); {trial.outcome}: {'; '.join(trial.reasons)}"
    return f"<skipped message={_attribute(told)}/>\n"


def _element(classname: str, name: str, time: str, problem: str) -> str:
    start = f"<testcase classname={_attribute(classname)} name={_attribute(name)}{time}"
    return f"{start}>\n{problem}</testcase>\n" if problem else f"{start}/>\n"


def _time(trial: Trial) -> str:
    """Return the recorded seconds spent on the wire; nothing where one call has none."""
    latencies = [call.latency_s for call in trial.trace.calls]
    known = [latency for latency in latencies if latency is not None]
    return f' time="{fsum(known):.6f}"' if known and len(known) == len(latencies) else ""


def _outcome(trial: Trial) -> str:
    if trial.outcome == "pass":
        return ""
    if trial.outcome == "unscored":
        reasons = tuple(f"{score.name}: {score.reason}" for score in trial.scores) or ("no check could measure anything",)
        return f"<skipped message={_attribute('unscored: ' + '; '.join(reasons))}/>\n"
    if trial.outcome == "fail":
        return _problem("failure", "fail", trial.reasons)
    crash = trial.trace.crash
    return _problem("error", "stale" if trial.outcome == "stale" else crash.type if crash else "error", trial.reasons)


def _problem(element: str, kind: str, reasons: tuple[str, ...]) -> str:
    message = reasons[0] if reasons else "no reason is noted"
    text = escape("\n".join(visible(reason) for reason in reasons))
    return f"<{element} type={_attribute(kind)} message={_attribute(message)}>{text}</{element}>\n"


def _attribute(text: str) -> str:
    return quoteattr(line(text))
