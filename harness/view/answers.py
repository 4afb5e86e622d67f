"""What the view answers: the experiments, the rows of one, the moments of a trial, as JSON; the report, and the page."""

import threading
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote

from harness.errors import HarnessError
from harness.experiment import Experiment, Trial, suite_name
from harness.report.moments import moments
from harness.report.text import visible
from harness.report.trial import heading
from harness.schema import canonical_json, digest
from harness.store import ExperimentFolder, stored_experiments
from harness.view.growth import Growth

_PAGE = {"/": ("page.html", "text/html"), "/page.js": ("page.js", "text/javascript"), "/page.css": ("page.css", "text/css")}
_OWN = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
_REPORT = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:"  # it has hashes of its own
_ALWAYS = "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_TEXT = 20_000

Report = Callable[[ExperimentFolder], str]
"""Renders the HTML report of a finished experiment."""


class Answer(NamedTuple):
    """One answer: its status, kind, body, the policy of the page that it may be, and its tag."""

    status: int
    kind: str
    body: bytes
    policy: str = _OWN + _ALWAYS
    tag: str = ""


class Answers:
    """Answers for the experiments of one project; reading is all that it does."""

    def __init__(self, root: Path, report: Report) -> None:
        self._root = root
        self._report = report
        self._growing: dict[str, Growth] = {}
        self._lock = threading.Lock()

    def answer(self, target: str) -> Answer:
        """Return the answer to a request for this path and query."""
        path, _, query = target.partition("?")
        if path in _PAGE:
            name, kind = _PAGE[path]
            return Answer(200, kind, _asset(name))
        parts = [unquote(part) for part in path.strip("/").split("/")]
        asked = {name: values[-1] for name, values in parse_qs(query).items()}
        try:
            return self._of(parts, asked)
        except HarnessError as error:
            return _problem(500, str(error))

    def _of(self, parts: list[str], asked: dict[str, str]) -> Answer:
        match parts:
            case ["api", "experiments"]:
                return _json({"experiments": [self._listed(folder) for folder in reversed(stored_experiments(self._root))]})
            case ["api", "experiments", name] if growth := self._growth(name):
                return self._rows(growth, _whole(asked.get("from")), _whole(asked.get("generation")))
            case ["api", "experiments", name, "trials", number] if growth := self._growth(name):
                trial = growth.trial(_whole(number, otherwise=-1))
                return _problem(404, "there is no such trial") if trial is None else self._moments(growth, trial)
            case ["experiments", name, "report"] if growth := self._growth(name):
                return self._html(growth.folder)
        return _problem(404, "there is nothing here")

    def _growth(self, name: str) -> Growth | None:
        """Return an experiment by its name, which is looked up among those that there are: no path is made of a request."""
        with self._lock:
            for folder in stored_experiments(self._root):
                if folder.path.name == name:
                    return self._growing.setdefault(name, Growth(folder, self._root))
        return None

    def _listed(self, folder: ExperimentFolder) -> dict[str, Any]:
        try:
            return _head(folder.head())
        except HarnessError as error:
            return {"id": folder.path.name, "problem": visible(str(error))}

    @staticmethod
    def _rows(growth: Growth, start: int, generation: int) -> Answer:
        grown = growth.since(start, generation)
        rows = [row.model_dump(mode="json") for row in grown.rows]
        known = {"generation": grown.generation, "from": grown.start, "rows": rows, "more": grown.more}
        return _json({"experiment": _head(grown.head), **known})

    @staticmethod
    def _moments(growth: Growth, trial: Trial) -> Answer:
        exchanges, note = growth.exchanges(trial)
        told = [
            {
                "at_s": moment.at_s,
                "kind": moment.kind,
                "title": _shown(moment.title),
                "texts": [[visible(label), _shown(text)] for label, text in moment.texts if text],
                "failed": moment.failed,
            }
            for moment in moments(trial, exchanges)
        ]
        return _json(
            {
                "heading": [visible(line) for line in heading(trial)],
                "trial": [suite_name(trial.suite, trial.variant), trial.case, str(trial.repeat)],
                "outcome": trial.outcome,
                "reasons": [_shown(reason) for reason in trial.reasons],
                "note": note,
                "moments": told,
            }
        )

    def _html(self, folder: ExperimentFolder) -> Answer:
        """Return the report that lies beside the trials, or make it."""
        if folder.head().status == "running":
            return _problem(404, "the report is there once the run has ended")
        path = folder.path / "report.html"
        body = path.read_bytes() if path.is_file() else self._report(folder).encode()
        return Answer(200, "text/html", body, _REPORT + _ALWAYS, digest(body))


def _head(head: Experiment) -> dict[str, Any]:
    known = {name: getattr(head, name) for name in ("id", "status", "verdict", "started_at", "finished_at", "commit", "stopped")}
    suites = [visible(suite.name) for suite in head.suites]
    return {**known, "suites": suites, "trials": sum(suite.cases for suite in head.suites) * head.repeat}


def _shown(text: str) -> str:
    shown = visible(text[:_TEXT])
    return shown if len(text) <= _TEXT else f"{shown}… and {len(text) - _TEXT:,} more characters"


def _whole(text: str | None, *, otherwise: int = 0) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else otherwise  # noqa: PLR2004, an index


def _json(value: dict[str, Any]) -> Answer:
    body = canonical_json(value).encode()
    return Answer(200, "application/json", body, tag=digest(body))


def _problem(status: int, message: str) -> Answer:
    return Answer(status, "application/json", canonical_json({"problem": visible(message)}).encode())


@cache
def _asset(name: str) -> bytes:
    return files("harness.view").joinpath("assets", name).read_bytes()


def address(experiment: str | None) -> str:
    """Return the part of the page's address that shows an experiment."""
    return f"#/{quote(experiment, safe='')}" if experiment else ""
