"""JUnit XML for CI systems: a testsuite a suite, a testcase a trial, and one for the suite's gate.

The gate has its own testcase because a broken bound or a missing case shows in no trial, and a file without testcases reads as green.
Only what the schema of Jenkins' xUnit plugin knows is written: https://github.com/jenkinsci/xunit-plugin (junit-10.xsd).
"""

from collections.abc import Iterable, Mapping, Sequence
from math import fsum
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from harness.errors import ExitCode
from harness.experiment import SuiteProvenance, Trial, suite_name
from harness.gate import SuiteVerdict, Summary
from harness.report.text import excerpt, line, shell_word, visible

GATE = "(gate)"

_MESSAGE = 1000
_TEXT = 20_000


class _Case(NamedTuple):
    xml: str
    time_s: float | None


def junit(experiment: str, summaries: Sequence[Summary], trials: Iterable[Trial]) -> str:
    """Return the file; trials keep their order within their suite."""
    by_name = {summary.provenance.name: summary for summary in summaries}
    cases: dict[str, list[_Case]] = {name: [] for name in by_name}
    for trial in trials:
        name = suite_name(trial.suite, trial.variant)
        cases[name].append(_testcase(trial, _quarantine(trial, by_name[name]), experiment))
    suites = "".join(_testsuite(summary, cases[summary.provenance.name], experiment) for summary in summaries)
    totals = [_counts(summary) for summary in summaries]
    known = ("tests", "failures", "errors")  # the schema has no attribute `skipped` here
    counts = {name: sum(total[name] for total in totals) for name in known}
    taken = _time([case.time_s for found in cases.values() for case in found])
    start = f"<testsuites name={_attribute(experiment)} {_attributes(counts)}{taken}>"
    return f'<?xml version="1.0" encoding="utf-8"?>\n{start}\n{suites}</testsuites>\n'


def _counts(summary: Summary) -> dict[str, int]:
    tally = summary.tally
    return {
        "tests": tally.trials + 1,
        "failures": tally.decisive.failed + _fails(summary.verdict),
        "errors": tally.decisive.errors + tally.stale,
        "skipped": tally.unscored + sum(outcomes["fail"] + outcomes["error"] for outcomes in tally.set_aside.values()),
    }


def _attributes(counts: Mapping[str, int]) -> str:
    return " ".join(f'{key}="{count}"' for key, count in counts.items())


def _testsuite(summary: Summary, cases: list[_Case], experiment: str) -> str:
    name = summary.provenance.name
    start = f"<testsuite name={_attribute(name)} {_attributes(_counts(summary))}{_time([case.time_s for case in cases])}>"
    gate = _gate(name, summary.verdict, experiment)
    return f"{start}\n{_properties(summary, experiment)}{''.join(case.xml for case in cases)}{gate}</testsuite>\n"


def _properties(summary: Summary, experiment: str) -> str:
    """Return what was run, and the verdict."""
    of = summary.provenance
    known = {
        "experiment": experiment,
        "verdict": summary.verdict.verdict,
        "dataset": f"{of.dataset} ({of.dataset_digest})",
        "cassettes": of.cassettes_digest,
        "graph": f"{of.graph} ({of.graph_fingerprint})",
        **_asked(of),
    }
    rows = "".join(f"<property name={_attribute(name)} value={_attribute(value)}/>\n" for name, value in known.items())
    return f"<properties>\n{rows}</properties>\n"


def _asked(of: SuiteProvenance) -> dict[str, str]:
    prompts = {f"prompt.{name}": version for name, version in sorted(of.prompts.items())}
    return {**prompts, **({"model": of.model} if of.model else {})}


def _gate(name: str, verdict: SuiteVerdict, experiment: str) -> str:
    closer = f"look closer: harness show {shell_word(experiment)}"
    problem = _problem("failure", verdict.verdict, verdict.reasons, closer) if _fails(verdict) else ""
    return _element(name, GATE, "", problem + _notes(verdict.notes))


def _notes(notes: tuple[str, ...]) -> str:
    """Return what the verdict notes, such as a quarantine that is over."""
    text = escape("\n".join(visible(note) for note in notes))
    return f"<system-out>{text}</system-out>\n" if notes else ""


def _fails(verdict: SuiteVerdict) -> bool:
    return verdict.exit_code is not ExitCode.PASS


def _testcase(trial: Trial, quarantine: str, experiment: str) -> _Case:
    name = trial.case if trial.repeat == 1 else f"{trial.case} [repeat {trial.repeat}]"
    time_s = _taken(trial)
    xml = _element(suite_name(trial.suite, trial.variant), name, _time([time_s]), quarantine or _outcome(trial, experiment))
    return _Case(xml, time_s)


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


def _taken(trial: Trial) -> float | None:
    """Return the virtual seconds that a trial took, or else the recorded ones on the wire; None where one call has none."""
    if trial.trace.duration_s is not None and not trial.trace.real_time:
        return trial.trace.duration_s
    latencies = [call.latency_s for call in trial.trace.calls]
    known = [latency for latency in latencies if latency is not None]
    return fsum(known) if known and len(known) == len(latencies) else None


def _time(seconds: Sequence[float | None]) -> str:
    """Return the sum as an attribute; nothing where a part is not known."""
    known = [one for one in seconds if one is not None]
    return f' time="{fsum(known):.6f}"' if known and len(known) == len(seconds) else ""


def _outcome(trial: Trial, experiment: str) -> str:
    if trial.outcome == "pass":
        return ""
    if trial.outcome == "unscored":
        reasons = tuple(f"{score.name}: {score.reason}" for score in trial.scores) or ("no check could measure anything",)
        return f"<skipped message={_attribute('unscored: ' + '; '.join(reasons))}/>\n"
    closer = f"look closer: harness show {shell_word(experiment)} {shell_word(trial.case)}"
    if trial.outcome == "fail":
        return _problem("failure", "fail", trial.reasons, closer)
    crash = trial.trace.crash
    return _problem("error", "stale" if trial.outcome == "stale" else crash.type if crash else "error", trial.reasons, closer)


def _problem(element: str, kind: str, reasons: tuple[str, ...], closer: str) -> str:
    message = reasons[0] if reasons else "no reason is noted"
    shown = "\n".join(visible(reason) for reason in reasons)
    shown = shown if len(shown) <= _TEXT else f"{shown[:_TEXT]}…"
    text = escape(f"{shown}\n{closer}")
    return f"<{element} type={_attribute(kind)} message={_attribute(excerpt(message, _MESSAGE))}>{text}</{element}>\n"


def _attribute(text: str) -> str:
    return quoteattr(line(text[:_TEXT]))
