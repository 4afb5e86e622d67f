"""Stored experiments of many cases, as a run of a router with a model leaves them: what a comparison is timed on."""

from pathlib import Path

from harness.experiment import Experiment, SuiteProvenance, Trial
from harness.score import failed, passed
from harness.store import ExperimentFolder, new_experiment
from harness.trace import NodeStep, Place, Trace, Usage, WireCall

KINDS = ("billing", "technical", "general")
CLASSIFY = Place(node="classify", path="pull,classify", step=1, visit=1)


def write_experiment(root: Path, name: str, cases: int, *, wrong: int) -> ExperimentFolder:
    """Write an experiment of so many cases, of which every `wrong`th goes to another team."""
    suite = SuiteProvenance(
        suite="agent",
        variant="default",
        cases=cases,
        dataset="datasets/agent.jsonl",
        dataset_digest="d",
        cassettes_digest="c",
        graph="agent:build",
        graph_fingerprint="f",
        match="semantic",
        mode="invoke",
        build="worker",
        checks=("auto",),
        routes={"classify": "kind"},
    )
    folder = new_experiment(root, name)
    stamp = "2026-11-21T12:00:00+00:00"
    folder.write_head(Experiment(id=name, status="done", started_at=stamp, finished_at=stamp, suites=(suite,)))
    lines = (trial(number, is_wrong=number % wrong == 0).to_json() for number in range(cases))
    folder.trials_path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def trial(number: int, *, is_wrong: bool) -> Trial:
    """Return a ticket that was labelled by one model call and handed to a team."""
    right = KINDS[number % 3]
    taken = KINDS[(number + 1) % 3] if is_wrong else right
    seconds, tokens = 0.5 + number % 97 / 100, 200 + number % 41 + 7 * is_wrong
    call = WireCall(
        place=CLASSIFY,
        kind="chat",
        source="replay",
        url="https://api.openai.com/v1/chat/completions",
        model="gpt-4o-mini",
        answered_model="gpt-4o-mini-2024-07-18",
        status=200,
        usage=Usage(input_tokens=tokens, output_tokens=12),
        cost_usd=tokens * 1.5e-7,
        finish_reason="stop",
        latency_s=seconds,
        start_s=0.0,
        duration_s=seconds,
        exchange=0,
    )
    messages = [{"type": "human", "content": f"Ticket {number}: something is wrong"}, {"type": "ai", "content": f"It is with {taken}."}]
    state = {"messages": messages, "kind": taken}
    steps = (
        NodeStep(place=CLASSIFY, update={"kind": taken}, state_digest="a" * 16, update_digest="b" * 16, start_s=0.0, duration_s=seconds),
        NodeStep(place=Place(node=taken, path=f"pull,{taken}", step=2, visit=1), update={}, start_s=seconds, duration_s=0.0),
    )
    trace = Trace(steps=steps, calls=(call,), state=state, text=f"It is with {taken}.", duration_s=seconds)
    detail = {"router": "classify", "expected": right, "actual": taken}
    route = (
        failed("route", "route.classify", reason=f"expected {right!r}, got {taken!r}", **detail)
        if is_wrong
        else passed("route", "route.classify", **detail)
    )
    scores = (passed("ends", "ends", expected="answer", actual="answer"), route, passed("cost", "cost", tokens=tokens))
    outcome = "fail" if is_wrong else "pass"
    return Trial(suite="agent", variant="default", case=f"c{number}", outcome=outcome, trace=trace, scores=scores, played=1)
