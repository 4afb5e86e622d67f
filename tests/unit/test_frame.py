"""Trials as a table for pandas: a row each, columns of one kind, unknown is missing."""

import io
import subprocess
import sys
from typing import Any

import pandas as pd

from harness.experiment import Trial
from harness.report.frame import frame, parquet
from harness.score import failed, passed, unscored
from harness.trace import Crash, Place, Trace, Usage, WireCall


def call(**fields: Any) -> WireCall:
    """Return an answered model call."""
    known = {"kind": "chat", "source": "replay", "url": "https://api.openai.com/v1/chat/completions", "status": 200}
    return WireCall(place=Place(node="a", step=1), **{**known, **fields})


def trials() -> list[Trial]:
    """Return a trial that is known in full, one of unknown tokens, and one that crashed."""
    known = Trace(calls=(call(usage=Usage(input_tokens=7, output_tokens=2), cost_usd=0.5),), duration_s=1.5, text="Paris")
    silent = Trace(calls=(call(),))
    crashed = Trace(ends="error", crash=Crash(type="KeyError", message="'x'"), unseen=("steps", "tools", "calls"))
    route = {"router": "a", "expected": "billing"}
    return [
        Trial(
            suite="s",
            variant="default",
            case="one",
            outcome="pass",
            trace=known,
            scores=(passed("route", "route.a", actual="billing", **route),),
        ),
        Trial(
            suite="s",
            variant="v2",
            case="two",
            repeat=2,
            outcome="fail",
            trace=silent,
            scores=(failed("route", "route.a", "wrong", actual="technical", **route), unscored("judge", "judge", "no reference")),
        ),
        Trial(suite="s", variant="default", case="three", outcome="error", trace=crashed),
    ]


def test_a_row_a_trial() -> None:
    """Each trial is a row in order, with its scores, routes, tokens, dollars and seconds."""
    table = frame(trials())
    assert list(table["case"]) == ["one", "two", "three"]
    first = table.iloc[0]
    assert (first["input_tokens"], first["output_tokens"], first["tokens"]) == (7, 2, 9)
    assert (first["cost_usd"], first["duration_s"], first["text"]) == (0.5, 1.5, "Paris")
    assert list(table["route.a"][:2]) == ["billing", "technical"]
    assert list(table["expected_route.a"][:2]) == ["billing", "billing"]
    assert list(table["passed.route.a"][:2]) == [True, False]
    assert list(table["score.route.a"][:2]) == [1.0, 0.0]
    assert table["reasons"][2] == "KeyError: 'x'"


def test_unknown_is_missing() -> None:
    """What was not measured is NA in a column that keeps its kind; it is never zero and never false."""
    table = frame(trials())
    assert table["tokens"].isna().tolist() == [False, True, True]
    assert table["cost_usd"].isna().tolist() == [False, True, True]
    assert table["steps"].isna().tolist() == [False, False, True]
    assert table["passed.judge"].isna().all()
    assert table["route.a"].isna().tolist() == [False, False, True]
    kinds = {name: str(table[name].dtype) for name in ("case", "tokens", "cost_usd", "passed.route.a", "score.judge")}
    assert kinds == {"case": "string", "tokens": "Int64", "cost_usd": "Float64", "passed.route.a": "boolean", "score.judge": "Float64"}


def test_no_trials_are_an_empty_table() -> None:
    """A table of nothing has the columns that every table has, of the same kinds."""
    table = frame([])
    assert len(table) == 0
    assert list(table.columns) == list(frame(trials()).columns[: len(table.columns)])


def test_parquet_keeps_the_table() -> None:
    """What is read from the file is what was written, kinds and missing values too, and the same trials give the same bytes."""
    written = parquet(trials())
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(written), dtype_backend="numpy_nullable"), frame(trials()))
    assert parquet(trials()) == written


def test_importing_harness_is_cheap() -> None:
    """`import harness` loads neither pandas nor pydantic nor LangChain."""
    program = "import sys, harness; print([name for name in ('pandas', 'pydantic', 'langchain_core', 'vcr') if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"
