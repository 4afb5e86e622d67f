"""The speed figures, as ratios within one session: `make bench`. Nothing here is a test; machines differ, ratios hold.

With a number as argument (`python tests/bench.py 200`) it runs that many router cases instead of 1,000.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import httpx2
import vcr
from ten_thousand import write_experiment

from harness.cassette.exchange import Exchange, Request
from harness.cassette.miss import Known
from harness.cassette.redact import BUILT_IN
from harness.cassette.segments import segments
from harness.cassette.tape import Cassette, Cursor
from harness.cassette.vcr_yaml import dumps
from harness.script import ScriptedReply, compose
from harness.trace import Place
from harness.wire.layers import Replay
from harness.wire.patch import patched
from harness.wire.trial import TrialWire, running

CASES = int(sys.argv[1]) if __name__ == "__main__" and len(sys.argv) > 1 else 1000
KINDS = ("billing", "technical", "general")
SYSTEM = "You label support tickets. " * 60

AGENT = f"""
from typing import TypedDict
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    ticket: str
    kind: str
    reply: str


def build():
    model = ChatOpenAI(model="gpt-4o-mini", max_retries=0)

    def classify(state):
        return {{"kind": model.invoke([SystemMessage({SYSTEM!r}), HumanMessage(state["ticket"])]).content}}

    graph = StateGraph(State)
    graph.add_node("classify", classify)
    for kind in {KINDS!r}:
        graph.add_node(kind, lambda state: {{"reply": "thanks"}})
        graph.add_edge(kind, END)
    graph.add_edge(START, "classify")
    graph.add_conditional_edges("classify", lambda state: state["kind"])
    return graph.compile()


graph = build()
"""

BARE = """
import json, os, sys, time
os.environ["OPENAI_API_KEY"] = "x"
import httpx2
import openai
from langchain_openai import ChatOpenAI
import langchain_openai.chat_models.base as base
answers = {body["messages"][1]["content"]: response for body, response in json.load(open("answers.json"))}

def answer(request):
    return httpx2.Response(200, json=answers[json.loads(request.content)["messages"][1]["content"]])

client = httpx2.Client(transport=httpx2.MockTransport(answer))
original = ChatOpenAI.__init__
ChatOpenAI.__init__ = lambda self, **values: original(self, http_client=client, **values)
import agent
cases = [json.loads(line)["inputs"] for line in open("datasets/agent.jsonl")]
build = agent.build if sys.argv[1] == "trial" else (lambda: agent.graph)
build().invoke(cases[0])
start = time.process_time()
for inputs in cases:
    build().invoke(inputs)
print(time.process_time() - start)
"""

OURS = """
import sys, time
from pathlib import Path
from harness import config, store
from harness.runner import run
from harness.runner.plan import prepare
from harness.runner.selection import Selection
from harness.runner.trial import TrialRunner
with run.sealed_without_keys():
    plan = prepare(config.load(Path("harness.toml")), Selection())
    tasks = run.tasks_of(plan)
    runner = TrialRunner(plan.project.root, plan.project.config.prices)
    cassettes = [store.read_cassette(plan.project.root, task.bench.name, task.case.id) for task in tasks]
    runner.run(tasks[0].bench, tasks[0].case, 1, cassettes[0])
    start = time.process_time()
    for task, exchanges in zip(tasks, cassettes):
        assert runner.run(task.bench, task.case, 1, exchanges).outcome == "pass"
    print(time.process_time() - start)
"""

PEAK = """
import resource, sys
from harness.cli import main
try:
    main(["run"])
except SystemExit:
    pass
sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""

PYTEST = """
import json
import pytest
from agent import graph
cases = [json.loads(line) for line in open("datasets/agent.jsonl")]

@pytest.fixture(scope="module")
def vcr_config():
    return {{"match_on": ["method", "path", "body"], "record_mode": "none", "allow_playback_repeats": True}}

@pytest.mark.default_cassette({cassette})
@pytest.mark.vcr
@pytest.mark.parametrize("case", cases, ids=lambda case: case["id"])
def test_route(case):
    assert graph.invoke(case["inputs"])["kind"] == case["expected"]["route"]["classify"]
"""


def exchange(number: int) -> Exchange:
    """Return the exchange of one ticket: a request of some 2 kB and its answer."""
    messages = [{"content": SYSTEM, "role": "system"}, {"content": f"Ticket {number}: something is wrong", "role": "user"}]
    body = {"messages": messages, "model": "gpt-4o-mini", "stream": False}
    request = Request(
        "POST", "https://api.openai.com/v1/chat/completions", json.dumps(body).encode(), (("content-type", "application/json"),)
    )
    response = compose(ScriptedReply(text=KINDS[number % 3]), segments(request))
    return Exchange(request, response, variants=("default",))


def project(root: Path, cases: int) -> list[Exchange]:
    """Write a router project with a cassette a case."""
    (root / "agent.py").write_text(AGENT)
    write_config(root, "worker")
    exchanges = [exchange(number) for number in range(cases)]
    rows = []
    for number in range(cases):
        expected = {"route": {"classify": KINDS[number % 3]}}
        rows.append({"id": f"c{number}", "inputs": {"ticket": f"Ticket {number}: something is wrong"}, "expected": expected})
    for folder in ("datasets", "cassettes/agent"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "datasets/agent.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for number, one in enumerate(exchanges):
        (root / f"cassettes/agent/c{number}.yaml").write_text(dumps((one,)))
    (root / "answers.json").write_text(json.dumps([(json.loads(one.request.body), json.loads(one.response.body)) for one in exchanges]))
    (root / "bare.py").write_text(BARE)
    (root / "ours.py").write_text(OURS)
    return exchanges


def write_config(root: Path, build: str) -> None:
    """Write the config of the router project."""
    lines = [
        "[suites.agent]",
        'graph = "agent:build"',
        'dataset = "datasets/agent.jsonl"',
        f'build = "{build}"',
        'routes.classify = "kind"',
    ]
    (root / "harness.toml").write_text("\n".join(lines) + "\n")


def timed(root: Path, *command: str) -> float:
    """Return the wall seconds of a whole process."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *command],
        cwd=root,
        check=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(root), "OPENAI_API_KEY": "x"},
    )
    return time.perf_counter() - start


def printed(root: Path, *command: str) -> float:
    """Return the figure that a process prints."""
    answer = subprocess.run(
        [sys.executable, *command], cwd=root, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(root)}
    )
    return float(answer.stdout)


def best(measure, times: int = 3) -> float:
    """Return the least of several measurements: what is not the machine's noise."""
    return min(measure() for _ in range(times))


def show(what: str, figure: str, target: str) -> None:
    """Print one line."""
    print(f"{what:<74} {figure:>24}   target {target}", flush=True)


def bench_look_up() -> None:
    """Look exchanges up in a small and in a large cassette."""
    seconds = {}
    for size in (10, 10_000):
        cassette = Cassette(tuple(exchange(number) for number in range(size)))
        cassette.queues("semantic")
        asked = [segments(cassette.exchanges[number * size // 10].request) for number in range(10)]

        def look_up(cassette=cassette, asked=asked) -> float:
            cursors = [Cursor(cassette, "semantic") for _ in range(200)]
            start = time.perf_counter()
            for cursor in cursors:
                for one in asked:
                    assert cursor.take(one.digests(), None)
            return (time.perf_counter() - start) / 2000

        seconds[size] = best(look_up, 5)
    show("look-up, 10,000 exchanges vs 10", f"{seconds[10_000] / seconds[10]:.2f}x", "<= 1.2x")
    show("look-up of a 2 kB request, digests included", f"{seconds[10_000] * 1000:.3f} ms", "<= 0.1 ms")


def bench_calls(exchanges: list[Exchange]) -> None:
    """Send each request of a cassette by a bare client in this process: through vcrpy with its body matcher, and through the wire."""
    bodies = [one.request.body for one in exchanges]

    def send() -> float:
        with httpx2.Client(trust_env=False) as client:
            start = time.process_time()
            for body in bodies:
                answer = client.post(exchanges[0].request.url, content=body, headers={"content-type": "application/json"})
                assert answer.status_code == 200
            return time.process_time() - start

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "all.yaml"
        path.write_text(dumps(tuple(exchanges)))
        with vcr.VCR(match_on=["method", "path", "body"], record_mode="none").use_cassette(str(path)):
            theirs = send()
    cassette = Cassette(tuple(exchanges))

    def ours() -> float:
        cursor = Cursor(cassette, "semantic")
        wire = TrialWire([Replay(cursor)], cursor=cursor, position=lambda: (Place(), ""), known=Known(), redactor=BUILT_IN)
        with patched(), running(wire):
            return send()

    show(
        f"{len(exchanges)} calls through a cassette of {len(exchanges)}, CPU, vs vcrpy matching bodies",
        f"{theirs / best(ours):.0f}x faster",
        ">= 50x",
    )


def bench_overhead(root: Path) -> None:
    """Compare replayed trials with a bare loop over an in-memory transport."""
    for build, target in (("worker", "<= 1.15x"), ("trial", "beside it")):
        write_config(root, build)
        ratios = sorted(printed(root, "ours.py") / printed(root, "bare.py", build) for _ in range(3))
        show(f'replayed trial vs bare loop, CPU, build = "{build}"', f"{ratios[1]:.2f}x", target)
    write_config(root, "worker")


def bench_whole_process(root: Path) -> None:
    """Compare whole runs with pytest and pytest-recording."""
    (root / "test_each.py").write_text(PYTEST.format(cassette='"unused"').replace('@pytest.mark.default_cassette("unused")\n', ""))
    cassettes = root / "cassettes" / "test_each"
    cassettes.mkdir(exist_ok=True)
    for number in range(CASES):
        (cassettes / f"test_route[c{number}].yaml").write_bytes((root / f"cassettes/agent/c{number}.yaml").read_bytes())
    each = best(lambda: timed(root, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_each.py"), 2)
    one = best(lambda: timed(root, "-m", "harness.cli", "run"), 2)
    two = best(lambda: timed(root, "-m", "harness.cli", "run", "-j", "2"), 2)
    show(f"{CASES} router cases, whole process, vs pytest-recording (a cassette a case)", f"{each / one:.2f}x faster", ">= 2x")
    show("the same with two workers", f"{each / two:.2f}x faster", ">= 3.5x")
    start = best(lambda: timed(root, "-m", "harness.cli", "run", "--limit", "1"), 2)
    show("two workers vs one, whole process", f"{one / two:.2f}x", "beside it")
    show("two workers vs one, less what a run of one case takes", f"{(one - start) / (two - start):.2f}x", ">= 1.8x")


def bench_one_cassette(root: Path, exchanges: list[Exchange]) -> None:
    """Compare with vcrpy where all cases share one cassette (its look-up is linear, so fewer cases do)."""
    cases = min(CASES, 300)
    rows = (root / "datasets/agent.jsonl").read_text().splitlines(keepends=True)
    with tempfile.TemporaryDirectory() as folder:
        shared = Path(folder)
        project(shared, cases)
        (shared / "datasets/agent.jsonl").write_text("".join(rows[:cases]))
        (shared / "cassettes/test_shared").mkdir()
        whole = dumps(tuple(exchanges[:cases]))
        (shared / "cassettes/test_shared/all.yaml").write_text(whole)
        (shared / "test_shared.py").write_text(PYTEST.format(cassette='"all.yaml"'))
        theirs = timed(shared, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shared.py")
        ours = best(lambda: timed(shared, "-m", "harness.cli", "run"), 2)
    show(
        f"{cases} router cases, whole process, vs pytest-recording (one cassette for all)",
        f"{theirs / ours:.1f}x faster",
        ">= 50x (1,000 cases)",
    )


def bench_start(root: Path) -> None:
    """Time commands that load no graph."""
    show("harness --help", f"{best(lambda: timed(root, '-m', 'harness.cli', '--help')):.2f} s", "<= 0.3 s")
    show(f"harness gate, {CASES} trials", f"{best(lambda: timed(root, '-m', 'harness.cli', 'gate')):.2f} s", "<= 1 s")


def bench_compare() -> None:
    """Time whole processes that compare and judge stored experiments: processor time, which the load of the machine changes less."""
    for cases, target in ((1000, "<= 1 s"), (10_000, "<= 2 s")):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            sides = [write_experiment(root, f"20261121-12000{number}-01", cases, wrong=10 + number) for number in range(2)]

            def fresh(root=root, sides=sides) -> float:
                for side in sides:
                    (side.path / "standings.json").unlink(missing_ok=True)
                return worked(root, "-m", "harness.cli", "compare", *(side.path.name for side in sides))

            show(f"harness compare, {cases:,} cases, nothing kept, CPU", f"{best(fresh):.2f} s", "beside it")
            again = best(lambda root=root, sides=sides: worked(root, "-m", "harness.cli", "compare", *(side.path.name for side in sides)))
            show(f"harness compare, {cases:,} cases, as a run leaves them, CPU", f"{again:.2f} s", target)
            gate = best(lambda root=root: worked(root, "-m", "harness.cli", "gate"))
            show(f"harness gate, {cases:,} cases, CPU", f"{gate:.2f} s", "<= 1 s (1,000)")


def worked(root: Path, *command: str) -> float:
    """Return the processor seconds of a whole process, which may end with any verdict."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run([sys.executable, *command], cwd=root, capture_output=True, text=True, check=False)
    assert answer.returncode in {0, 1}, answer.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bench_memory() -> None:
    """Compare the memory of a long run with that of a short one."""
    agent = """
    from langgraph.graph import END, START, StateGraph

    def build():
        graph = StateGraph(dict)
        graph.add_node("echo", lambda state: {"done": True})
        graph.add_edge(START, "echo")
        return graph.compile()
    """
    peak = {}
    for cases in (12_000, 24_000):  # up to 10,000 trials, what their cases came to is gathered for the next comparison
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            (root / "agent.py").write_text(textwrap.dedent(agent))
            write_config(root, "worker")
            (root / "datasets").mkdir()
            (root / "datasets/agent.jsonl").write_text(
                "".join(json.dumps({"id": f"c{number}", "inputs": {}}) + "\n" for number in range(cases))
            )
            answer = subprocess.run([sys.executable, "-c", PEAK], cwd=root, capture_output=True, text=True, check=True)
            peak[cases] = int(answer.stderr.splitlines()[-1]) / 1024
    growth = (peak[24_000] - peak[12_000]) / 12_000 * 88_000
    show(
        "memory, 24,000 trials vs 12,000",
        f"+{peak[24_000] - peak[12_000]:.0f} MB",
        f"+50 MB at 100,000 (here: +{growth:.0f} MB, by extrapolation)",
    )


def main() -> None:
    """Print every figure."""
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, {CASES} cases; page size {resource.getpagesize()}")
    bench_look_up()
    bench_calls([exchange(number) for number in range(CASES)])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        exchanges = project(root, CASES)
        bench_overhead(root)
        bench_whole_process(root)
        bench_start(root)
        bench_one_cassette(root, exchanges)
    bench_compare()
    bench_memory()


if __name__ == "__main__":
    main()
