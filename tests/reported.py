"""An experiment as the HTML report sees it: a support desk whose prompt got worse, its baseline, and texts that mean harm."""

import base64
import json
import zlib
from typing import Any

from harness.baseline import Baseline
from harness.cassette.exchange import Exchange, Request, Response
from harness.coverage import Edge, Shape
from harness.experiment import Bound, Experiment, SuiteProvenance, Trial
from harness.gate import judge_experiment
from harness.metric import Tally
from harness.report.html import Evidence, Past, html
from harness.report.html.document import document
from harness.score import failed, passed
from harness.standing import Roll, Standings
from harness.sweep import Sweep
from harness.trace import NodeStep, Place, Trace, Usage, WireCall

BASE, NOW = "20261120-090000-01", "20261121-090000-01"
TEXTS = {"v1@aaaaaaaaaaaa": "Sort the ticket.\nBe exact.", "v2@bbbbbbbbbbbb": "Sort the ticket.\nGuess."}
TEAMS = ("billing", "technical")
HOSTILE = (
    '</script><script>document.title="owned"</script><img src=x onerror=alert(1)> &lt;b&gt; \x00\x07\x1b[31m'
    "\u202egnp.exe\u2066\u200f {{7*7}} ${x} ]]> --> 'q' \"d\" \u2028 https://example.org"
)


class Prompts:
    """Prompts whose texts are known."""

    def held(self, name: str, version: str) -> str | None:
        """Return the text of a version."""
        return TEXTS.get(version)

    def committed(self, name: str, version: str) -> str | None:
        """Return nothing: there is no history here."""
        return None


def shape(*teams: str) -> Shape:
    """Return a router with a node for each team, and one that nothing leads to."""
    ways = [("__start__", "classify", ()), *(("classify", team, (team,)) for team in teams), *((team, "__end__", ()) for team in teams)]
    return Shape(edges=tuple(Edge(source=source, target=target, labels=labels) for source, target, labels in ways))


def provenance(suite: str = "desk", **fields: Any) -> SuiteProvenance:
    """Return what was run of a suite."""
    known: dict[str, Any] = {"variant": "default", "cases": 4, "dataset": "desk.jsonl", "dataset_digest": "d", "cassettes_digest": "c"}
    known |= {"graph": "agent:build", "graph_fingerprint": "f", "match": "semantic", "mode": "invoke", "build": "trial"}
    known |= {"checks": ("route",), "shape": shape(*TEAMS, "legal"), "prompts": {"triage": "v2@bbbbbbbbbbbb"}}
    return SuiteProvenance(suite=suite, **{**known, **fields})


def trial(case: str, taken: str = "billing", expected: str = "billing", *, suite: str = "desk", **trace: Any) -> Trial:
    """Return a trial that was routed to a team."""
    right = taken == expected
    score = (passed if right else failed)(
        "route",
        "route.classify",
        router="classify",
        expected=expected,
        actual=taken,
        **({} if right else {"reason": f"expected {expected!r}, got {taken!r}"}),
    )
    places = (Place(node="classify", step=1, visit=1), Place(node=taken, step=2, visit=1))
    call = WireCall(
        place=places[0], kind="chat", source="replay", url="https://model/v1", model="small", status=200, cost_usd=0.0001, latency_s=0.5
    )
    steps = (
        NodeStep(place=places[0], chosen=(taken,), update={"category": taken}, update_digest=taken, duration_s=0.5),
        NodeStep(place=places[1], update={"messages": [f"Hello from {taken}."]}, update_digest=f"hello {taken}", duration_s=0.0),
    )
    known = {
        "steps": steps,
        "calls": (call.model_copy(update={"usage": Usage(input_tokens=90, output_tokens=len(case))}),),
        "state": {"category": taken, "messages": [f"I need help: {case}", f"Hello from {taken}."]},
        "text": f"Hello from {taken}.",
        "duration_s": 0.5,
    }
    return Trial(
        suite=suite, variant="default", case=case, outcome="pass" if right else "fail", scores=(score,), trace=Trace(**{**known, **trace})
    )


GOOD = tuple(trial(f"case-{number}", TEAMS[number % 2], TEAMS[number % 2]) for number in range(4))
WORSE = tuple(trial(f"case-{number}", "billing", TEAMS[number % 2]) for number in range(4))


def experiment(*suites: SuiteProvenance, **fields: Any) -> Experiment:
    """Return a finished experiment."""
    known = {"id": NOW, "status": "done", "started_at": "2026-11-21T09:00:00+00:00", "finished_at": "2026-11-21T09:00:07+00:00"}
    return Experiment(suites=suites, commit="2ef5ff6a1b2c3d4e", **{**known, **fields})


def baseline(*trials: Trial, **fields: Any) -> Baseline:
    """Return the baseline that these trials give."""
    roll, tally = Roll(), Tally()
    for one in trials:
        roll.add(one)
        tally.add(one)
    before = provenance(prompts={"triage": "v1@aaaaaaaaaaaa"}, **fields)
    values = {name: metric.value for name, metric in tally.metrics().items()}
    standings = Standings(provenance=before, metrics=values, nodes=roll.nodes(), cases=roll.cases())
    return Baseline.of(experiment(before, id=BASE), standings, forced=False)


def evidence(
    trials: tuple[Trial, ...] = WORSE,
    *,
    suites: tuple[SuiteProvenance, ...] = (),
    before: tuple[Trial, ...] = (),
    stored: tuple[Trial, ...] = (),
    past: tuple[Past, ...] = (),
    sweep: Sweep | None = None,
) -> Evidence:
    """Return the evidence of trials, of a baseline where there are trials `before`, whose transcripts are those `stored`."""
    head = experiment(*(suites or (provenance(cases=len(trials), gate={"route.accuracy": Bound(min=0.9)}),)))
    baselines = {"desk": baseline(*before)} if before else {}
    known = {BASE: stored, NOW: trials}
    return Evidence(
        head=head,
        summaries=judge_experiment(head, trials, baselines=baselines),
        trials=trials,
        trials_of=lambda name, cases: [one for one in known[name] if one.case in cases],
        prompts=Prompts(),
        baselines=baselines,
        past={"desk": past},
        sweeps={"desk": sweep} if sweep else {},
    )


def page(*arguments: Any, **fields: Any) -> str:
    """Return the report of what `evidence` gives."""
    return html(evidence(*arguments, **fields))


def head(*arguments: Any, **fields: Any) -> Any:
    """Return the head of the document, as plain data."""
    return json.loads(json.dumps(document(evidence(*arguments, **fields)).head))


def unpacked(text: str) -> Any:
    """Return what was packed."""
    return json.loads(zlib.decompress(base64.b64decode(text), wbits=-zlib.MAX_WBITS))


def exchange(*messages: Any, system: str = "Sort the ticket.", status: int = 200, **answer: Any) -> Exchange:
    """Return a chat completion: what was asked after the system prompt, and the message that came back, or another body."""
    asked = {"model": "small", "messages": [{"role": "system", "content": system}, *messages]}
    said = answer.get("body", {"choices": [{"message": {"role": "assistant", **answer}}]})
    bodies = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in (asked, said)]
    return Exchange(Request("POST", "https://model/v1/chat/completions", bodies[0]), Response(status, bodies[1]))


def heard(*exchanges: Exchange, case: str = "case-0", taken: str = "billing", **call: Any) -> Trial:
    """Return a trial whose first step made a call for each of these exchanges."""
    one = trial(case, taken)
    calls = tuple(one.trace.calls[0].model_copy(update={"exchange": number, **call}) for number in range(len(exchanges)))
    return one.model_copy(update={"trace": one.trace.model_copy(update={"calls": calls})})


def hostile() -> Evidence:
    """Return the evidence of trials in which every text that comes from elsewhere means harm, one of them a megabyte long."""
    place = Place(node=HOSTILE, step=1, visit=1)
    call = WireCall(place=place, kind="chat", source="replay", url=HOSTILE, model=HOSTILE, error=HOSTILE, status=200, exchange=0)
    step = NodeStep(place=place, chosen=(HOSTILE,), error=HOSTILE, update={HOSTILE: HOSTILE, "long": "x" * 1_000_000})
    bad = failed("route", HOSTILE, HOSTILE, router=HOSTILE, expected=HOSTILE, actual=f"not {HOSTILE}")
    trace = Trace(steps=(step,), calls=(call,), state={HOSTILE: [HOSTILE]}, text=HOSTILE)
    trials = tuple(
        Trial(suite=HOSTILE, variant="default", case=f"{number} {HOSTILE}", outcome="fail", scores=(bad,), trace=trace)
        for number in range(2)
    )
    edges = Shape(edges=(Edge(source="__start__", target=HOSTILE), Edge(source=HOSTILE, target=f"to {HOSTILE}", labels=(HOSTILE,))))
    suite = provenance(HOSTILE, cases=2, shape=edges, prompts={HOSTILE: HOSTILE}, parameters={HOSTILE: HOSTILE}, model=HOSTILE)
    held = experiment(suite, stopped=HOSTILE)
    said = exchange({"role": HOSTILE, "content": HOSTILE}, system=HOSTILE, content=HOSTILE, refusal=HOSTILE)
    return evidence(trials, suites=(suite,))._replace(head=held, summaries=judge_experiment(held, trials), played_of=lambda _: (said,))
