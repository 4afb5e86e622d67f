"""`harness view`: what its server answers, to whom, and while a run goes on; and what its page shows in a real browser."""

import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import quote

import browser
import pytest
from letters import AGENT, RULES, case

from harness import store
from harness.experiment import Experiment, Trial
from harness.score import failed
from harness.trace import NodeStep, Place, Trace
from harness.view.answers import Answers
from harness.view.server import ViewServer

HOSTILE = "</script><img src=x onerror=\"document.title='broken'\"> \x1b[31m \u202e `x`"
PATIENCE_S = 120


@pytest.fixture
def recorded(world):
    """Return a project with a recorded suite of two cases."""

    def make():
        world.write("agent.py", AGENT)
        world.suite('routes.classify = "kind"')
        world.cases(*map(case, range(2)))
        assert world.record(RULES).code == 0

    world.prepare(make)
    return world


@contextlib.contextmanager
def serving(world):
    """Serve the experiments of a project from this process; yields the server."""
    server = ViewServer(Answers(world.root, lambda folder: f"<p>made for {folder.path.name}"))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server
    finally:
        server.stop()


def ask(port, path, method="GET", **headers):
    """Ask for a path and return the answer, its body read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.closing(connection):
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
    return answer


def found(port, path):
    """Return the JSON of a path."""
    answer = ask(port, path)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def until(ready):
    """Return the first answer that is true; fail where it does not come."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if answer := ready():
            return answer
        time.sleep(0.05)
    pytest.fail("it did not come to that")


@contextlib.contextmanager
def command(world, *arguments, number=signal.SIGINT):
    """Run `harness view` as a user would and end it by a signal; yields its address, then exit code and output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "view", "--no-open", *arguments],
        cwd=world.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ended = {}
    try:
        line = process.stderr.readline()
        parsed = re.fullmatch(r"harness: view at http://127\.0\.0\.1:(\d+)/(\S*) until Ctrl-C\n", line)
        assert parsed, line + process.stderr.read()
        yield int(parsed[1]), parsed[2], ended
        process.send_signal(number)
        ended["out"], ended["err"] = process.communicate(timeout=PATIENCE_S)
        ended["code"] = process.returncode
    finally:
        process.kill()
        process.communicate()


def experiment(world, *trials, status="done", identifier="20261121-090000-01"):
    """Store an experiment of these trials, and return its folder."""
    head = Experiment(id=identifier, status=status, started_at="2026-11-21T09:00:00+00:00", suites=())
    folder = store.new_experiment(world.root, identifier)
    folder.write_head(head)
    with folder.appending():
        for trial in trials:
            folder.append(trial.key, trial.to_json())
    return folder


def trial(name, **fields):
    """Return a trial of one step."""
    steps = (NodeStep(place=Place(node="answer", step=1), start_s=0.0, duration_s=0.4, update={"text": f"said in {name}"}),)
    known = {"outcome": "pass", "trace": Trace(steps=steps, duration_s=0.4)}
    return Trial(suite="agent", variant="default", case=name, **{**known, **fields})


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_the_command_serves_until_it_is_stopped(recorded, number):
    """It says its address, shows the experiment that was asked for, and ends with 0."""
    recorded.harness("run")
    with command(recorded, "latest", number=number) as (port, rest, ended):
        (one,) = found(port, "/api/experiments")["experiments"]
        assert rest == f"#/{one['id']}"
        assert (one["status"], one["verdict"], one["trials"], one["suites"]) == ("done", "pass", 2, ["agent"])
        rows = found(port, f"/api/experiments/{one['id']}")["rows"]
        assert [row["case"] for row in rows] == ["case-000", "case-001"]
        assert "<!doctype html>" in ask(port, f"/experiments/{one['id']}/report").text

    assert ended == {"code": 0, "out": "", "err": ""}


def test_a_run_is_seen_as_it_goes_on(recorded):
    """While `harness run` appends trials, the rows grow; when it is done, the verdict is there and the rows are in order."""
    recorded.edit("agent.py", "def letter(state):", "def letter(state):\n    wait(state)")
    recorded.edit("agent.py", "import operator", WAITING)
    with command(recorded) as (port, _, _):
        run = subprocess.Popen(
            [sys.executable, "-m", "harness.cli", "run", "--clock", "real"],
            cwd=recorded.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until((recorded.root / "second").exists)
            (one,) = found(port, "/api/experiments")["experiments"]
            path = f"/api/experiments/{one['id']}"
            first = until(lambda: (grown := found(port, path))["rows"] and grown)
            assert (first["experiment"]["status"], first["experiment"]["verdict"], len(first["rows"])) == ("running", "", 1)
            assert ask(port, f"/experiments/{one['id']}/report").status == 404
            assert found(port, f"{path}/trials/0")["note"].startswith("what the models were asked and said is shown once")
            (recorded.root / "go").touch()
            assert run.wait(PATIENCE_S) == 0
        finally:
            run.kill()
            run.wait()
        done = found(port, f"{path}?from=1&generation={first['generation']}")
        assert (done["experiment"]["status"], done["experiment"]["verdict"]) == ("done", "pass")
        assert (done["from"], [row["case"] for row in done["rows"]]) == (0, ["case-000", "case-001"])
        assert done["generation"] > first["generation"]
        assert found(port, f"{path}/trials/0")["note"] == ""


WAITING = """import operator
import time
from pathlib import Path

seen = []


def wait(state):
    seen.append(state)
    if len(seen) == 2:
        Path("second").touch()
        while not Path("go").exists():
            time.sleep(0.05)

"""


def test_only_new_rows_are_sent(world):
    """A page that knows some rows gets the others; one that knows all gets 304, and one that knows another file gets all anew."""
    folder = experiment(world, trial("a"), status="running")
    with serving(world) as server:
        path = f"/api/experiments/{folder.path.name}"
        first = found(server.port, path)
        with folder.appending():
            folder.append(trial("b").key, trial("b").to_json())
        second = ask(server.port, f"{path}?from=1&generation={first['generation']}")
        assert [row["case"] for row in json.loads(second.text)["rows"]] == ["b"]
        known = ask(server.port, f"{path}?from=1&generation={first['generation']}", **{"If-None-Match": second.headers["ETag"]})
        assert (known.status, known.text) == (304, "")
        with folder.appending():
            pass
        folder.put_in_order(iter([trial("b").key, trial("a").key]))
        anew = found(server.port, f"{path}?from=2&generation={first['generation']}")
        assert (anew["from"], [row["case"] for row in anew["rows"]]) == (0, ["b", "a"])


def test_a_line_that_is_being_written_is_waited_for(world):
    """Half a line is no trial and no error; it is one once it is whole."""
    folder = experiment(world, trial("a"), status="running")
    with serving(world) as server, folder.trials_path.open("ab", buffering=0) as file:
        path = f"/api/experiments/{folder.path.name}"
        line = trial("b").to_json().encode()
        file.write(line[:50])
        assert len(found(server.port, path)["rows"]) == 1
        file.write(line[50:] + b"\n")
        assert len(found(server.port, path)["rows"]) == 2


def test_a_large_experiment_comes_in_parts(world):
    """The first answer does not wait for all trials."""
    folder = experiment(world, *(trial(f"case-{number}") for number in range(1200)))
    with serving(world) as server:
        rows, more = [], True
        parts = 0
        while more:
            part = found(server.port, f"/api/experiments/{folder.path.name}?from={len(rows)}&generation=1")
            rows, more, parts = [*rows, *part["rows"]], part["more"], parts + 1
    assert [row["case"] for row in rows] == [f"case-{number}" for number in range(1200)]
    assert parts == 3


def test_what_cannot_be_read_is_said(world):
    """A damaged experiment is listed with what is wrong with it, beside the others; so is a damaged trial."""
    experiment(world, trial("a"))
    broken = experiment(world, identifier="20261121-090001-01")
    (broken.path / "experiment.json").write_text("{")
    torn = experiment(world, identifier="20261121-090002-01")
    torn.trials_path.write_text("{}\n")
    with serving(world) as server:
        listed = {one["id"]: one.get("problem") for one in found(server.port, "/api/experiments")["experiments"]}
        answer = ask(server.port, f"/api/experiments/{torn.path.name}")
    assert listed[broken.path.name].startswith(str(broken.path))
    assert listed["20261121-090000-01"] is None
    assert answer.status == 500
    assert "trials.jsonl:1: not a trial" in json.loads(answer.text)["problem"]


def test_a_foreign_name_is_refused(world):
    """A page of another site that makes its name mean this machine gets nothing: the Host header has to be this server's."""
    with serving(world) as server:
        for host in ("evil.example", f"evil.example:{server.port}", "127.0.0.1", "127.0.0.1:1", ""):
            answer = ask(server.port, "/api/experiments", Host=host)
            assert (answer.status, "experiments" in answer.text) == (403, False)
        assert ask(server.port, "/", Host=f"localhost:{server.port}").status == 200
        assert server.server_address[0] == "127.0.0.1"


def test_nothing_can_be_changed(world):
    """Only GET and HEAD are answered."""
    with serving(world) as server:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert ask(server.port, "/", method).status == 405
        assert (ask(server.port, "/", "HEAD").status, ask(server.port, "/", "HEAD").text) == (200, "")


def test_no_path_of_a_request_is_a_path_of_the_disk(world):
    """What is asked for is looked up among the experiments; there is no way out of their folder."""
    folder = experiment(world, trial("a"))
    world.write("reports/secret/experiment.json", "{}")
    with serving(world) as server:
        for name in ("..", "../secret", "..%2fsecret", "%2e%2e%2fsecret", f"{folder.path.name}/../../secret", "%00", "a" * 5000):
            for path in (f"/api/experiments/{name}", f"/experiments/{name}/report", f"/{name}"):
                assert ask(server.port, path).status in {404, 414}, path
        for number in ("1", "-1", "x", "9" * 40):
            assert ask(server.port, f"/api/experiments/{folder.path.name}/trials/{number}").status == 404


def test_foreign_text_cannot_act(world):
    """Control and direction characters are shown as escapes, a megabyte is cut; every answer forbids scripts but the page's own."""
    said = failed("output", HOSTILE, HOSTILE)
    steps = (NodeStep(place=Place(node=HOSTILE, step=1), update={HOSTILE: "x" * 1_000_000}),)
    folder = experiment(world, trial(HOSTILE, outcome="fail", scores=(said,), trace=Trace(steps=steps, text=HOSTILE)))
    with serving(world) as server:
        answers = [ask(server.port, path) for path in ("/", *(f"/api/experiments/{folder.path.name}{rest}" for rest in ("", "/trials/0")))]
        report = ask(server.port, f"/experiments/{folder.path.name}/report")
    told = json.loads(answers[2].text)
    assert "\x1b" not in json.dumps(told, ensure_ascii=False).replace(json.dumps(told["trial"], ensure_ascii=False), "")
    assert "and 980,000 more characters" in answers[2].text
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Type"].endswith("charset=utf-8")
    assert "connect-src" not in report.headers["Content-Security-Policy"]
    assert report.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_bad_input_ends_as_one_line(recorded):
    """An experiment that there is not and a port that is taken end with 2 and a line that says so."""
    assert "there is no experiment 'nothing'" in recorded.harness("view", "nothing").err
    with serving(recorded) as server:
        answer = recorded.harness("view", "--no-open", "--port", str(server.port))
    assert answer.code == 2
    assert re.fullmatch(rf"harness: cannot listen on 127\.0\.0\.1 port {server.port}: .+\n", answer.err)


@pytest.fixture(scope="module")
def chromium():
    """Return a browser, started once for all tests of this file; skip where there is none."""
    with browser.running() as running:
        yield running


@pytest.fixture
def page(chromium):
    """Return a page of which nothing went wrong in the end."""
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(browser.PATIENCE_MS)
    wrong = []
    page.on("console", lambda message: wrong.append(message.text))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def test_the_page_leads_to_a_trial_and_plays_it(recorded, page):
    """From the list to the experiment to a case: it plays to its end, can be stepped by button and key, and stops at the end."""
    recorded.harness("run")
    with serving(recorded) as server:
        page.goto(server.origin)
        page.get_by_role("link", name=re.compile(r"^\d{8}-")).click()
        page.get_by_role("link", name="case-001").click()
        page.get_by_role("button", name="Play").wait_for()
        assert page.locator("li:visible").count() == 1
        page.get_by_role("button", name="Step").click()
        page.keyboard.press("Escape")
        page.locator("h1").click()
        page.keyboard.press("ArrowRight")
        assert page.locator("li:visible").count() == 3
        page.keyboard.press("ArrowLeft")
        assert page.locator("li.now .title").inner_text().startswith("asks gpt-4o-mini")
        page.get_by_label("Speed").select_option("100")
        page.get_by_role("button", name="Play").click()
        page.locator("li.end:visible").wait_for()
        page.get_by_role("button", name="Play").wait_for()
        assert "ended as answer" in page.locator("li.now").inner_text()
        assert page.get_by_role("link", name="in the report").get_attribute("href").endswith("/report#/case/agent/case-001/1")


def test_the_page_grows_with_the_run(world, page):
    """A trial that is appended shows up without a reload, as does the end of the run."""
    folder = experiment(world, trial("first"), status="running")
    with serving(world) as server:
        page.goto(f"{server.origin}/#/{folder.path.name}")
        page.get_by_role("link", name="first").wait_for()
        with folder.appending():
            folder.append(trial("second").key, trial("second").to_json())
        page.get_by_role("link", name="second").wait_for()
        folder.write_head(folder.head().model_copy(update={"status": "done", "verdict": "pass"}))
        page.get_by_role("link", name="the whole report").wait_for()
        page.get_by_label("Filter by case").fill("sec")
        assert page.locator("tbody tr").count() == 1


def test_the_page_shows_hostile_text_as_text(world, page):
    """Nothing of what a model or a case says is taken for HTML."""
    said = failed("output", "output.text", HOSTILE)
    folder = experiment(world, trial(HOSTILE, outcome="fail", scores=(said,), trace=Trace(text=HOSTILE, ends="error")))
    with serving(world) as server:
        page.goto(f"{server.origin}/#/{quote(folder.path.name)}")
        page.get_by_role("link", name=re.compile("onerror")).click()
        page.get_by_role("button", name="Play").wait_for()
        assert "onerror" in page.locator("main").inner_text()
        assert page.locator("img").count() == 0
        assert page.title() != "broken"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible(recorded, page, scheme):
    """Axe finds no violation in the list, an experiment and a trial, in the light and in the dark."""
    from axe_playwright_python.sync_playwright import Axe

    recorded.harness("run")
    identifier = next(recorded.root.glob("reports/experiments/*")).name
    page.emulate_media(color_scheme=scheme)
    with serving(recorded) as server:
        for place, ready in (("", "table"), (f"#/{identifier}", "tbody tr"), (f"#/{identifier}/0", "li.now")):
            page.goto("about:blank")
            page.goto(f"{server.origin}/{place}")
            page.locator(ready).first.wait_for()
            assert [(one["id"], one["nodes"][0]["html"]) for one in Axe().run(page).response["violations"]] == [], place


def test_the_report_works_where_it_is_served(recorded, page):
    """The HTML report runs under the policy that it is served with, and leads from the player to its own page of the trial."""
    recorded.harness("run")
    with serving(recorded) as server:
        page.goto(server.origin)
        page.get_by_role("link", name=re.compile(r"^\d{8}-")).click()
        page.get_by_role("link", name="case-001").click()
        page.get_by_role("link", name="in the report").click()
        page.wait_for_selector("html[data-ready]")
        assert "case-001" in page.locator("main").inner_text()
