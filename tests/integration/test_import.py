"""`harness import`: experiments of what was run elsewhere, which claim what the export shows and no more."""

import datetime as dt
import itertools
import json
import os
import uuid
from decimal import Decimal
from pathlib import Path

import pytest
from langsmith.schemas import Feedback, Run

from harness.store import experiments_folder

CHAT = [
    {"role": "user", "content": "Where is my order?"},
    {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "lookup", "arguments": '{"id": 7}'}}]},
    {"role": "tool", "tool_call_id": "1", "content": "sent"},
    {"role": "assistant", "content": "It was sent."},
]
RECORDS = [
    {"task_id": "a", "reward": 1.0, "messages": CHAT},
    {"task_id": "b", "reward": 0.0, "messages": CHAT},
    {"task_id": "a", "reward": 0.0, "messages": CHAT},
    {"task_id": "b", "reward": 0.0, "messages": CHAT},
]


def lines(records):
    """Return the records as an object a line."""
    return "\n".join(json.dumps(record) for record in records) + "\n"


def imported(world, text, *arguments, name="export.json", kind="json"):
    """Write a file and import it as suite `shop`."""
    (world.root / name).write_text(text, "utf-8")
    return world.harness("import", kind, name, "--suite", "shop", *arguments)


def told(answer):
    """Return what is told of the only suite."""
    return answer.json["suites"]["shop"]


def nothing_written(world):
    """Tell whether there is no experiment, and none was begun."""
    return not experiments_folder(world.root).exists()


@pytest.mark.parametrize(
    "text",
    [json.dumps(RECORDS), json.dumps({"at": "noon", "runs": RECORDS}, indent=1), lines(RECORDS), "\ufeff\n" + lines(RECORDS)],
    ids=["a list", "in an object", "lines", "lines behind a byte order mark"],
)
def test_records_become_an_experiment(world, text):
    """Each form of file gives the same trials: cases in their order, repeats numbered, scores judged."""
    answer = imported(world, text, "--json")

    assert answer.code == 1
    found = [(trial.case, trial.repeat, trial.outcome, trial.trace.text) for trial in world.trials()]
    assert found == [
        ("a", 1, "pass", "It was sent."),
        ("a", 2, "fail", "It was sent."),
        ("b", 1, "fail", "It was sent."),
        ("b", 2, "fail", "It was sent."),
    ]
    assert told(answer)["metrics"]["pass^2"] == 0.0
    (tool,) = world.trials()[0].trace.tools
    assert (tool.name, tool.args, tool.output) == ("lookup", {"id": 7}, "sent")


def test_what_the_export_does_not_show_is_unknown(world):
    """Tokens, dollars, steps, calls, durations, failed tools and coverage have no value, and a reason that says why."""
    answer = imported(world, lines(RECORDS), "--json")

    unknown = ("tokens.mean", "cost_usd.total", "steps.max", "model_calls.mean", "duration_s.p50", "tool_failure.rate", "fallback.rate")
    metrics, reasons = told(answer)["metrics"], told(answer)["metric_reasons"]
    assert [metrics[name] for name in (*unknown, "edges.coverage")] == [None] * 8
    assert reasons["tokens.mean"] == "tokens unknown in 4 of 4 trials"
    assert {reasons[name] for name in unknown[3:4] + unknown[5:]} == {"the calls of an agent that ran elsewhere were not seen"}
    assert metrics["tool_calls.mean"] == 1.0
    assert told(answer)["notes"] == []


def test_a_figure_of_some_trials_alone_is_none(world):
    """Where one record has no conversation, nothing is said of tool calls: a mean over the others would be another figure."""
    answer = imported(world, lines([RECORDS[0], {"task_id": "b", "reward": 1.0}]), "--json")

    assert told(answer)["metrics"]["tool_calls.mean"] is None
    assert told(answer)["metric_reasons"]["tool_calls.mean"] == "the tools of an agent that ran elsewhere were not seen"


def test_a_record_without_a_score_is_unscored(world):
    """Not measured is not failed, and nothing measured is no pass."""
    some = imported(world, lines([RECORDS[0], {"task_id": "b", "reward": None}]), "--json")
    none = imported(world, lines([{"id": "a"}, {"id": "b"}]), "--json")

    assert (some.code, told(some)["passed"], told(some)["unscored"]) == (1, 1, 1)
    assert (none.code, told(none)["unscored"]) == (5, 2)


def test_a_record_with_an_error_crashed(world):
    """A crash stays in the denominator, whatever score the record has; the first line says what it was."""
    broken = {"task_id": "b", "reward": 1.0, "error": "ValueError('no')Traceback (most recent call last):\n  File …"}
    answer = imported(world, lines([RECORDS[0], broken]), "--json")

    assert (answer.code, told(answer)["errors"], told(answer)["metrics"]["pass.rate"]) == (3, 1, 0.5)
    assert world.trials()[1].reasons[0] == "ValueError: 'no'"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("boom", "Error: boom"),
        ("ValueError: no", "ValueError: no"),
        ("ValueError()", "ValueError: no message"),
        (True, "Error: the record says that it crashed"),
    ],
    ids=["text", "line", "empty", "flag"],
)
def test_what_crashed_is_told_once(world, error, said):
    """The name of an exception is not said twice, and a word that is none is no name."""
    world.write("runs.json", json.dumps([{"task_id": "a", "reward": 1.0}, {"task_id": "b", "error": error}]))

    world.harness("import", "json", "runs.json", "--suite", "s")

    assert world.trials()[1].reasons[0] == said


def test_fields_are_named_by_dotted_paths(world):
    """Case, repeat, score, tokens and dollars may stand anywhere; repeats that count from 0 are counted from 1."""
    records = [
        {"on": {"task": name}, "n": number, "judged": {"mark": 0.7}, "used": {"tokens": 10, "usd": 0.5}}
        for name in "ab"
        for number in (1, 0)
    ]
    fields = [
        "--case",
        "on.task",
        "--repeat",
        "n",
        "--score",
        "judged.mark",
        "--pass-at",
        "0.7",
        "--tokens",
        "used.tokens",
        "--cost",
        "used.usd",
    ]

    answer = imported(world, lines(records), *fields, "--json")

    assert answer.code == 0
    assert [trial.key[2:] for trial in world.trials()] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert (told(answer)["metrics"]["tokens.total"], told(answer)["metrics"]["cost_usd.total"]) == (40, 2.0)


def test_the_list_of_records_can_be_named(world):
    """A document with several lists of objects says which there are; one of them can be named, wherever it stands."""
    text = json.dumps({"tasks": [{"id": "x"}], "out": {"runs": RECORDS[:1]}, "more": [{"id": "y"}]})
    refused = imported(world, text)
    assert (refused.code, nothing_written(world)) == (2, True)
    assert refused.err == "harness: export.json: it holds several lists of objects: more, tasks; name the one with --records\n"

    assert imported(world, text, "--records", "out.runs").code == 0


BAD = {
    "not JSON": ("{nonsense", (), "export.json: not JSON: Expecting property name"),
    "a document cut off": ('[\n{"id": "a"},\n{"id"', (), "export.json: not JSON, line 3: "),
    "a line cut off": (lines(RECORDS) + '{"task_id": "c", "rew', (), "export.json:5: not JSON: Unterminated string"),
    "empty": ("", (), "export.json: no records; there has to be a JSON list"),
    "an empty list": ("[]", (), "export.json: no records; there has to be a JSON list"),
    "a number": ("7", (), "export.json: no records; there has to be a JSON list"),
    "a list of texts": ('["a"]', (), "export.json: record 1: not an object; there has to be"),
    "no case": ('[{"reward": 1}]', (), "export.json: record 1: no case (looked for case, task_id"),
    "an empty case": ('[{"id": "", "reward": 1}]', (), "export.json: record 1: no case"),
    "another case field": (lines(RECORDS), ("--case", "name"), "export.json:1: no case (looked for name); name the field with --case"),
    "a score that is a word": ('[{"id": "a", "score": "high"}]', (), "record 1: its score is 'high', which is not true, false or a number"),
    "NaN": ('[{"id": "a", "score": NaN}]', (), "export.json: not JSON: NaN is no finite number"),
    "NaN in a line": ('{"id": "a", "score": NaN}\n{"id": "b"}', (), "export.json:1: not JSON: NaN is no finite number"),
    "a score beyond numbers": ('[{"id": "a", "score": 1' + "0" * 400 + "}]", (), "record 1: its score is 1"),
    "a field that is nowhere": (lines(RECORDS), ("--score", "mark"), "export.json: no record has --score 'mark'"),
    "a repeat twice": (lines([{"id": "a", "n": 1}] * 2), ("--repeat", "n"), "2: case 'a' has a trial 1 already, at export.json:1"),
    "a repeat that is no number": ('[{"id": "a", "n": "x"}]', ("--repeat", "n"), "record 1: --repeat 'n' is 'x', not a number"),
    "tokens below nothing": ('[{"id": "a", "n": -1}]', ("--tokens", "n"), "record 1: its tokens is -1, which is no amount"),
    "half a pair of surrogates": ('[{"id": "\\ud800"}]', (), "record 1: it holds half a pair of surrogates"),
    "no such list": ('{"runs": []}', ("--records", "rows"), "export.json: no records at 'rows'"),
    "too deep": ("[" * 100_000, (), "export.json: not JSON: nested too deeply"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_export_is_refused_in_one_line(world, name):
    """What cannot be read or understood is one line with its place, exit code 2, and nothing is written."""
    text, arguments, problem = BAD[name]
    answer = imported(world, text, *arguments)

    assert (answer.code, answer.out, nothing_written(world)) == (2, "", True)
    assert answer.err.count("\n") == 1
    assert problem in answer.err


@pytest.mark.parametrize("kind", ["json", "langsmith"])
def test_a_file_that_is_none_is_refused(world, kind):
    """A missing file, a folder, text that is not UTF-8, and a suite with a bad name are one line each."""
    (world.root / "folder").mkdir()
    (world.root / "latin.json").write_bytes('[{"id": "é"}]'.encode("latin-1"))
    (world.root / "good.json").write_text("[]")
    answers = [world.harness("import", kind, name, "--suite", "shop") for name in ("missing.json", "folder", "latin.json")]
    answers.append(world.harness("import", kind, "good.json", "--suite", "a/../b"))

    assert [answer.code for answer in answers] == [2, 2, 2, 2]
    assert all(answer.err.count("\n") == 1 for answer in answers)
    problems = ("there is no such file", "Is a directory", "not UTF-8 text", "--suite 'a/../b' cannot be a name")
    assert all(problem in answer.err for problem, answer in zip(problems, answers, strict=True))
    assert nothing_written(world)


def test_lines_are_read_one_by_one(world):
    """A long export of lines is never in memory as a whole: its peak is far below its size."""
    code = (
        "import resource, sys\nfrom harness.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    import subprocess
    import sys

    padding = "x" * 100_000
    peaks = []
    for count in (2, 1000):
        with (world.root / "long.jsonl").open("w") as file:
            file.writelines(json.dumps({"id": f"c{number}", "passed": True, "input": padding}) + "\n" for number in range(count))
        ran = subprocess.run(
            [sys.executable, "-c", code, "import", "json", "long.jsonl", "--suite", "shop"],
            capture_output=True,
            text=True,
            check=True,
            cwd=world.root,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        peaks.append(int(ran.stdout.split()[-1]))

    assert peaks[1] - peaks[0] < 30_000  # kilobytes, of a file of 100 MB


def test_secrets_are_redacted(world):
    """What an export holds is redacted before it is written."""
    key = "sk-proj-" + "Ab3dEf6hIj9lMn2pQr5tUv8xYz1" * 2
    imported(world, lines([{"id": "a", "passed": True, "messages": [{"role": "assistant", "content": f"my key is {key}"}]}]))

    texts = "".join(path.read_text() for path in experiments_folder(world.root).rglob("*") if path.is_file())
    assert key not in texts
    assert "<openai-key-" in texts


def test_an_imported_experiment_is_one_like_any_other(world):
    """It can be shown, gated, compared, blessed and reported; what is unknown is a dash, and a worse import fails its baseline."""
    imported(world, lines([{"id": name, "passed": True} for name in "abcdefgh"]))
    good = world.trials()
    shown = world.harness("show", "latest", "a").out
    assert "– tokens, –" in shown  # noqa: RUF001, the dash of no figure
    assert world.harness("gate").code == 0
    assert world.harness("bless", "latest").code == 0
    assert world.harness("report", "latest", "-o", "out.csv", "-o", "out.md").code == 0

    worse = imported(world, lines([{"id": name, "passed": name != "a"} for name in "abcdefg"]), "--json")

    assert len(good) == 8
    assert worse.code == 1
    assert any("h" in reason and "baseline" in reason for reason in told(worse)["reasons"])
    first, second = (path.name for path in sorted(experiments_folder(world.root).iterdir()))
    assert world.harness("compare", first, second).code == 2
    assert "1 worse" in world.harness("compare", first, second, "--force").out


def test_tau_bench_gives_its_own_figures(world):
    """pass^k of tau-bench's recorded runs is what its definition gives: the share of k-subsets of a task's trials that all succeed."""
    data = os.environ.get("HARNESS_REFERENCE_DATA")
    if not data:
        pytest.skip("HARNESS_REFERENCE_DATA names no folder")
    path = Path(data) / "trajectories/tau-bench/gpt-4o-airline.even-tasks.json"
    runs = json.loads(path.read_text())
    rewards: dict[int, list[float]] = {}
    for run in runs:
        rewards.setdefault(run["task_id"], []).append(run["reward"])

    answer = world.harness("import", "json", str(path), "--suite", "shop", "--repeat", "trial", "--json")

    metrics = told(answer)["metrics"]
    for k in (2, 3, 4):
        subsets = {task: list(itertools.combinations(found, k)) for task, found in rewards.items()}
        every = sum(sum(min(subset) == 1 for subset in each) / len(each) for each in subsets.values()) / len(subsets)
        some = sum(sum(max(subset) == 1 for subset in each) / len(each) for each in subsets.values()) / len(subsets)
        assert metrics[f"pass^{k}"] == pytest.approx(every, abs=1e-9)
        assert metrics[f"pass@{k}"] == pytest.approx(some, abs=1e-9)
    assert metrics["pass.rate"] == pytest.approx(sum(run["reward"] for run in runs) / len(runs), abs=1e-12)
    asked = sum(len(message.get("tool_calls") or ()) for run in runs for message in run["traj"])
    assert metrics["tool_calls.mean"] == pytest.approx(asked / len(runs), abs=1e-9)
    assert len(world.trials()) == len(runs)


START = dt.datetime(2026, 11, 21, 9, 30, tzinfo=dt.UTC)
SESSION = uuid.UUID(int=99)


def run_of(number, *, example=None, **fields):
    """Return a root run as the SDK's `list_runs` gives it, as JSON."""
    run = {
        "id": uuid.UUID(int=number),
        "name": "agent",
        "run_type": "chain",
        "trace_id": uuid.UUID(int=number),
        "dotted_order": f"20261121T093000000000Z{uuid.UUID(int=number)}",
        "session_id": SESSION,
        "start_time": START,
        "end_time": START + dt.timedelta(seconds=2.5),
        "inputs": {"question": "where?"},
        "outputs": {"output": "here"},
        "status": "success",
        "reference_example_id": None if example is None else uuid.UUID(int=example),
        "total_tokens": 120,
        "total_cost": Decimal("0.0021"),
        "feedback_stats": {"correct": {"n": 1, "avg": 1.0, "values": {}}},
    }
    return json.loads(Run(**{**run, **fields}).model_dump_json(exclude={"serialized", "events"}))


def test_root_runs_of_langsmith_become_trials(world):
    """Case, repeats, score by feedback, text, state, tokens, dollars and duration are those of the export."""
    runs = [run_of(1, example=11), run_of(2, example=12), run_of(3, example=11), run_of(4, example=12)]

    answer = imported(world, lines(runs), "--json", kind="langsmith")

    trials, metrics = world.trials(), told(answer)["metrics"]
    assert answer.code == 0
    assert [(trial.case, trial.repeat) for trial in trials] == [
        (str(uuid.UUID(int=11)), 1),
        (str(uuid.UUID(int=11)), 2),
        (str(uuid.UUID(int=12)), 1),
        (str(uuid.UUID(int=12)), 2),
    ]
    assert (trials[0].trace.text, trials[0].trace.state, trials[0].trace.duration_s) == ("here", {"output": "here"}, 2.5)
    assert (metrics["correct.pass_rate"], metrics["tokens.total"], metrics["duration_s.p50"]) == (1.0, 480, 2.5)
    assert metrics["cost_usd.total"] == pytest.approx(0.0084)
    assert metrics["model_calls.mean"] is None


def test_the_answer_of_the_api_is_read_too(world):
    """The document of `POST /runs/query` holds the runs; its cursors are none."""
    answer = imported(world, json.dumps({"runs": [run_of(1, example=11)], "cursors": {"next": None}}), kind="langsmith")

    assert answer.code == 0


def test_messages_of_langchain_are_read(world):
    """Tools and the last text are found in the messages that LangChain serialises, plain or wrapped."""
    wrapped = {"lc": 1, "type": "constructor", "id": ["langchain", "schema", "messages", "AIMessage"]}
    messages = [
        {"type": "human", "content": "where?"},
        {**wrapped, "kwargs": {"content": "", "tool_calls": [{"name": "find", "args": {"id": 7}, "id": "1"}]}},
        {"type": "tool", "tool_call_id": "1", "content": "lost", "status": "error"},
        {"type": "ai", "content": [{"type": "text", "text": "It is "}, {"type": "text", "text": "lost."}]},
    ]
    imported(world, lines([run_of(1, example=11, outputs={"messages": messages})]), kind="langsmith")

    trace = world.trial().trace
    assert trace.text == "It is lost."
    assert [(tool.name, tool.args, tool.output, bool(tool.error)) for tool in trace.tools] == [("find", {"id": 7}, "lost", True)]


def test_feedback_decides_by_its_keys(world):
    """All feedback decides unless keys are named; a key that a run lacks, or that has no score, is unscored."""
    stats = {"correct": {"n": 1, "avg": 1.0}, "tone": {"n": 2, "avg": 0.5}, "note": {"n": 1, "avg": None}}
    text = lines([run_of(1, example=11, feedback_stats=stats)])

    imported(world, text, kind="langsmith")
    found = {score.check: (score.status, score.reason) for score in world.trial().scores}
    assert found == {
        "correct": ("pass", ""),
        "note": ("unscored", "feedback 'note': it has no score"),
        "tone": ("fail", "scored 0.5, the mean of 2, below 1"),
    }
    assert imported(world, text, "--score", "correct", kind="langsmith").code == 0
    assert imported(world, text, "--score", "correct", "--score", "tone", "--pass-at", "0.5", kind="langsmith").code == 0
    lacking = imported(world, text, "--score", "helpful", "--json", kind="langsmith")
    assert (lacking.code, told(lacking)["unscored"]) == (5, 1)


def test_exported_feedback_is_joined_to_its_run(world):
    """Feedback records, in a file of their own or the same, take the place of the run's statistics, with their comments."""
    said = Feedback(
        id=uuid.UUID(int=5),
        created_at=START,
        modified_at=START,
        run_id=uuid.UUID(int=1),
        trace_id=uuid.UUID(int=1),
        key="correct",
        score=0.25,
        comment="half an answer",
    )
    (world.root / "feedback.jsonl").write_text(said.model_dump_json() + "\n")

    imported(world, lines([run_of(1, example=11)]), "feedback.jsonl", kind="langsmith")

    (score,) = world.trial().scores
    assert (score.status, score.value, score.reason) == ("fail", 0.25, "scored 0.25, below 1: half an answer")


def test_feedback_that_is_called_like_a_check_is_none(world):
    """A key of LangSmith is never taken for a check of the harness: its figures have names of their own."""
    answer = imported(world, lines([run_of(1, example=11, feedback_stats={"route": {"n": 1, "avg": 1}})]), "--json", kind="langsmith")

    assert (told(answer)["metrics"]["route.accuracy"], told(answer)["metrics"]["feedback.route.pass_rate"]) == (None, 1.0)


def test_what_went_wrong_there_went_wrong_here(world):
    """A run with an error crashed, one that had not ended crashed, one without feedback is unscored; unknown tokens stay unknown."""
    runs = [
        run_of(1, example=11, error="KeyError('x')Traceback (most recent call last):\n…", status="error"),
        run_of(2, example=12, end_time=None, status="pending"),
        run_of(3, example=13, feedback_stats=None, total_tokens=0, total_cost=None),
    ]
    answer = imported(world, lines(runs), "--json", kind="langsmith")

    assert answer.code == 3
    assert [trial.outcome for trial in world.trials()] == ["error", "error", "unscored"]
    assert [trial.trace.crash and trial.trace.crash.type for trial in world.trials()] == ["KeyError", "Unfinished", None]
    assert world.trials()[2].scores[0].reason == "the run has no feedback"
    assert told(answer)["metrics"]["tokens.total"] is None


def test_what_is_left_out_is_said(world):
    """Runs inside of others, and root runs of no example, are no trials: they are counted on standard error."""
    inner = run_of(2, parent_run_id=uuid.UUID(int=1), trace_id=uuid.UUID(int=1), run_type="llm")
    answer = imported(world, lines([run_of(1, example=11), inner, run_of(3)]), kind="langsmith")

    assert answer.code == 0
    assert answer.err == "harness: left out: 1 runs within another run\nharness: left out: 1 runs without reference_example_id\n"


def test_an_experiment_is_chosen_among_several(world):
    """Runs of two experiments are not mixed: one has to be named."""
    other = run_of(2, example=11, session_id=uuid.UUID(int=98))
    text = lines([run_of(1, example=11), other])
    mixed = imported(world, text, kind="langsmith")
    assert (mixed.code, nothing_written(world)) == (2, True)
    assert "export.json:2: a run of a second experiment, session_id" in mixed.err

    assert imported(world, text, "--session", str(SESSION), kind="langsmith").code == 0
    assert len(world.trials()) == 1


def test_a_case_may_be_named_by_another_field(world):
    """`--case` takes the id of a case from anywhere in the run, so that it pairs with other suites' cases."""
    imported(world, lines([run_of(1, extra={"metadata": {"case": "refund-001"}})]), "--case", "extra.metadata.case", kind="langsmith")

    assert world.trial().case == "refund-001"


BAD_RUNS = {
    "no run": ({"id": "a"}, "export.json: record 1: not a run of LangSmith: it has no id or no run_type"),
    "no example": (run_of(1), "export.json: no root run of an experiment: 1 runs without reference_example_id"),
    "a score that is a word": (
        run_of(1, example=11, feedback_stats={"k": {"n": 1, "avg": "good"}}),
        "record 1: feedback 'k' has the score 'good', which is not",
    ),
    "tokens that are a word": (
        {**run_of(1, example=11), "total_tokens": "many"},
        "record 1: total_tokens is 'many', not a number of tokens",
    ),
    "dollars that are a word": ({**run_of(1, example=11), "total_cost": "much"}, "record 1: total_cost is 'much', not a number of dollars"),
    "a list as case": (
        {**run_of(1), "reference_example_id": ["a"]},
        "record 1: the run's reference_example_id is no name of a case; name another with --case",
    ),
}


@pytest.mark.parametrize("name", BAD_RUNS)
def test_a_bad_run_is_refused_in_one_line(world, name):
    """What is no run, or no run of an experiment, is one line with its place, exit code 2, and nothing is written."""
    run, problem = BAD_RUNS[name]
    answer = imported(world, json.dumps([run]), kind="langsmith")

    assert (answer.code, answer.out, answer.err.count("\n"), nothing_written(world)) == (2, "", 1, True)
    assert problem in answer.err


def test_a_run_that_is_there_twice_is_refused(world):
    """Pages of an export that overlap would count a trial twice."""
    answer = imported(world, lines([run_of(1, example=11)] * 2), kind="langsmith")

    assert (answer.code, nothing_written(world)) == (2, True)
    assert "stands at export.json:1 already" in answer.err
