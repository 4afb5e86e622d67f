"""The GitHub action and the GitLab template: they are what these systems take, and their steps do what they say."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from langsmith_double import Fault
from langsmith_server import KEY, langsmith
from letters import AGENT, RULES, case
from node import installed

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
GITLAB = yaml.safe_load((ROOT / "ci/gitlab.yml").read_text("utf-8"))[".harness"]
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}
SCRIPTS = {name: step["run"] for name, step in STEPS.items() if "run" in step}
BIN = Path(sys.executable).parent


def snippet(marker):
    """Return the YAML of docs/ci.md behind a marker."""
    return re.search(rf"<!-- {marker} -->\n```yaml\n(.*?)```", (ROOT / "docs/ci.md").read_text("utf-8"), re.DOTALL)[1]


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("vendor.github-actions", (ROOT / "action.yml").read_text("utf-8")),
        ("vendor.github-workflows", snippet("workflow")),
        ("vendor.gitlab-ci", (ROOT / "ci/gitlab.yml").read_text("utf-8")),
        ("vendor.gitlab-ci", snippet("gitlab")),
    ],
    ids=["action", "workflow", "gitlab", "gitlab-use"],
)
def test_files_hold_to_the_schema_of_their_system(tmp_path, schema, text):
    """Each file, and each snippet of the documentation, is valid by the schema that is published for its kind."""
    path = tmp_path / "file.yml"
    path.write_text(text, "utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def as_workflow(action):
    """Return the steps of a composite action as the job of a workflow, which is what actionlint reads."""
    outputs = {"on": {"workflow_call": {"inputs": {name: {"type": "string"} for name in action["inputs"]}}}}
    return json.dumps({**outputs, "jobs": {"action": {"runs-on": "ubuntu-latest", "steps": action["runs"]["steps"]}}})


def test_actionlint_finds_nothing(tmp_path):
    """The workflow of the documentation and the steps of the action are clean; a context that there is not is found."""
    folder = installed(ROOT / "ci/lint", tmp_path / "lint")

    def found(workflow):
        return subprocess.run(["node", "lint.mjs"], cwd=folder, input=workflow, capture_output=True, text=True, check=False).stdout

    assert found(snippet("workflow")) == ""
    assert found(as_workflow(ACTION)) == ""
    assert "is not defined in object type" in found(as_workflow(ACTION).replace("github.event_name", "github.evnt_name"))


@pytest.mark.parametrize(
    "script", [*SCRIPTS.values(), *GITLAB["script"], *GITLAB["after_script"]], ids=[*SCRIPTS, "gitlab", "gitlab-after"]
)
def test_shellcheck_finds_nothing(tmp_path, script):
    """Every shell script of the action and the template is clean."""
    path = tmp_path / "script.sh"
    path.write_text(script, "utf-8")
    answer = subprocess.run([BIN / "shellcheck", "--shell", "bash", path], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout


def test_no_input_is_pasted_into_a_script():
    """Inputs and the names of branches reach scripts as variables only, so that none of them can be code."""
    assert [name for name, script in SCRIPTS.items() if "${{" in script] == []


def test_the_action_needs_no_secret():
    """The only token that it knows is the job's own, and only to comment; a key of LangSmith is asked for by nobody."""
    text = (ROOT / "action.yml").read_text("utf-8")
    assert "secrets." not in text
    assert [name for name, step in STEPS.items() if "TOKEN" in str(step.get("env"))] == ["Comment on the pull request"]
    assert STEPS["Comment on the pull request"]["if"].endswith("github.event_name == 'pull_request' }}")
    assert re.findall(r"\(harness \w+\)", text) == ["(harness run)"]
    assert ACTION["inputs"]["langsmith-api-key"]["default"] == ""
    assert STEPS["Push to LangSmith"]["if"].endswith("inputs.langsmith-api-key != '' }}")
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    for name in ACTION["inputs"]:
        assert f"| `{name}` |" in (ROOT / "docs/ci.md").read_text("utf-8")


class Comments(BaseHTTPRequestHandler):
    """The part of GitHub's API that has the comments of pull request 7."""

    def _answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        asked = json.loads(self.rfile.read(length)) if length else None
        self.server.asked.append((self.command, self.path, self.headers["Authorization"]))
        if self.command != "GET" and self.server.read_only:
            return self._send(403, {"message": "Resource not accessible by integration"})
        if self.command == "GET":
            page = int(re.search(r"page=(\d+)$", self.path)[1])
            return self._send(200, self.server.comments[(page - 1) * 100 : page * 100])
        if self.command == "POST":
            assert self.path == "/repos/owner/name/issues/7/comments"
            self.server.comments.append({"id": 1000 + len(self.server.comments), "user": {"type": "Bot"}, **asked})
        else:
            identifier = int(self.path.removeprefix("/repos/owner/name/issues/comments/"))
            (found,) = [comment for comment in self.server.comments if comment["id"] == identifier]
            found.update(asked)
        return self._send(200, {})

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815, http.server wants these names

    def _send(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_arguments):
        """Say nothing."""


@pytest.fixture
def github():
    """Return a server with the comments of a pull request, which people wrote 120 of."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Comments) as server:
        server.asked, server.read_only = [], False
        server.comments = [{"id": number, "user": {"type": "User"}, "body": f"comment {number}"} for number in range(120)]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server
        server.shutdown()


class Job:
    """A job of GitHub Actions that uses the action: its steps run one after the other, as the runner would run them."""

    def __init__(self, world, server):
        self.root = world.root
        self.langsmith = {}
        for name in ("temp", "event.json", "output", "step_summary"):
            path = self.root / "_runner" / name
            path.mkdir(parents=True) if name == "temp" else path.write_text("")
        self._write("event.json", json.dumps({"pull_request": {"number": 7}}))
        runner = self.root / "_runner"
        self.environment = {
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.root),
            "RUNNER_TEMP": str(runner / "temp"),
            "GITHUB_OUTPUT": str(runner / "output"),
            "GITHUB_STEP_SUMMARY": str(runner / "step_summary"),
            "GITHUB_EVENT_PATH": str(runner / "event.json"),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_API_URL": f"http://127.0.0.1:{server.server_address[1]}",
        }

    def _write(self, name, text):
        (self.root / "_runner" / name).write_text(text)

    @property
    def outputs(self):
        """Return what the first step put out."""
        return dict(line.split("=", 1) for line in (self.root / "_runner/output").read_text().splitlines())

    @property
    def summary(self):
        """Return the job's summary."""
        return (self.root / "_runner/step_summary").read_text()

    def run(self, name, **environment):
        """Run one step of the action by its name, as the runner does: bash that stops at an error."""
        path = self.root / "_runner" / "step.sh"
        path.write_text(SCRIPTS[name])
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", path],
            cwd=self.root,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    def use(self, suites="", arguments=""):
        """Run the action and return the exit code of the job."""
        self.ran = self.run("Replay, check, gate", CI="true", HARNESS_SUITES=suites, HARNESS_ARGUMENTS=arguments)
        if "report" in self.outputs and self.langsmith:
            self.pushed = self.run("Push to LangSmith", HARNESS_REPORT=self.outputs["report"], **self.langsmith)
            assert self.pushed.returncode == 0, self.pushed.stderr
        if "report" in self.outputs:
            comment = {"GITHUB_TOKEN": "a token of the job", "HARNESS_REPORT": self.outputs["report"]}
            self.commented = self.run("Comment on the pull request", **comment)
            assert self.commented.returncode == 0, self.commented.stderr
        return self.run("Pass or fail", HARNESS_EXIT_CODE=self.outputs.get("exit-code", "")).returncode


@pytest.fixture
def job(world, github):
    """Return a job on a project with a recorded suite of three cases."""
    world.write("agent.py", AGENT)
    world.suite('routes.classify = "kind"')
    world.cases(*map(case, range(3)))
    assert world.record(RULES).code == 0
    return Job(world, github)


def test_the_action_replays_and_reports(job, github):
    """It passes where every gate does, adds the summary to the job, leaves reports and comments on the pull request."""
    assert job.use() == 0, job.ran.stderr

    assert job.outputs["exit-code"] == "0"
    assert "# pass: experiment" in job.summary
    report = Path(job.outputs["report"])
    assert ET.parse(report / "junit.xml").getroot().get("failures") == "0"  # noqa: S314, our own file
    assert (report / "report.html").read_text().startswith("<!doctype html>")
    assert github.comments[-1]["body"] == (report / "summary.md").read_text()
    assert {token for _, _, token in github.asked} == {"Bearer a token of the job"}


def test_the_comment_is_renewed(job, github):
    """A second job finds its comment behind more than a page of others, by its first line, and renews it; people's stay as they are."""
    github.comments.insert(3, {"id": 999, "user": {"type": "User"}, "body": "<!-- harness summary: agent -->\nas I read it"})
    job.use()
    count = len(github.comments)
    job.use(arguments="--limit 2")

    assert len(github.comments) == count
    assert "| agent | **pass** | 2 |" in github.comments[-1]["body"]
    assert github.comments[3]["body"].endswith("as I read it")
    assert [method for method, _, _ in github.asked] == ["GET", "GET", "POST", "GET", "GET", "PATCH"]


def test_a_fork_gets_no_comment_and_the_same_verdict(job, github):
    """Where the token may only read, a notice says so, and that is all."""
    github.read_only = True

    assert job.use() == 0
    assert job.commented.stdout.startswith("::notice title=harness::the pull request got no comment")
    assert len(github.comments) == 120


def test_a_failing_gate_fails_the_job_and_is_reported(job, github):
    """The job ends with the exit code of `harness run`, after the reports are written and the comment is there."""
    (job.root / "cassettes/agent/case-001.yaml").unlink()

    assert job.use() == 4
    assert "# stale: experiment" in job.summary
    assert "# stale: experiment" in github.comments[-1]["body"]
    assert "verdict: stale" in job.ran.stdout


def test_arguments_are_words_and_no_code(job):
    """Quotes keep a word together; what a shell would run is an argument like any other."""
    assert job.use("agent", '--filter "case-000 or case-001" --limit 1') == 0
    assert "| agent | **pass** | 1 |" in job.summary
    assert job.use("$(touch broken) `touch broken` ; touch broken") == 2
    assert not (job.root / "broken").exists()
    assert job.use(arguments="--filter 'open") == 2


def test_without_a_report_there_is_nothing_to_comment(job, github):
    """A job whose run could not start fails, with a notice in the place of the comment."""
    assert job.use("nonsense") == 2
    assert "there is no suite 'nonsense'" in job.ran.stderr
    assert "there is no summary to comment with" in job.commented.stdout
    assert github.asked == []


def test_a_server_that_is_away_changes_no_verdict(job):
    """Where GitHub does not answer, a notice says so."""
    job.environment["GITHUB_API_URL"] = "http://127.0.0.1:9"

    assert job.use() == 0
    assert "the pull request got no comment" in job.commented.stdout


def test_with_a_key_the_comment_leads_to_langsmith(job, github):
    """The experiment is pushed; the job's summary, the comment and the page name its address."""
    with langsmith() as hub:
        job.langsmith = {"LANGSMITH_API_KEY": KEY, "LANGSMITH_ENDPOINT": hub.address}
        assert job.use() == 0
        (session,) = hub.workspace.sessions

    where = f"compare?selectedSessions={session}"
    assert job.summary.splitlines()[-1].startswith("In LangSmith: [agent](<")
    assert [where in text for text in (job.summary, github.comments[-1]["body"])] == [True, True]
    assert where in (Path(job.outputs["report"]) / "report.html").read_text()


def test_a_push_that_does_not_arrive_is_a_warning(job, github):
    """The verdict and the reports are those without it."""
    with langsmith() as hub:
        job.langsmith = {"LANGSMITH_API_KEY": KEY, "LANGSMITH_ENDPOINT": hub.address}
        hub.workspace.plan = lambda _: Fault(403)
        assert job.use() == 0

    said, warning = job.pushed.stdout.splitlines()
    assert said == "agent: 0 of 3 traces are in LangSmith"
    assert warning.startswith("::warning title=harness::not all of the experiment is in LangSmith")
    assert "push incomplete: 0 of 3 traces are there" in job.pushed.stderr
    assert "In LangSmith" not in github.comments[-1]["body"]


def test_without_an_experiment_nothing_is_pushed(job):
    """A job whose run could not start asks nothing of LangSmith."""
    with langsmith() as hub:
        job.langsmith = {"LANGSMITH_API_KEY": KEY, "LANGSMITH_ENDPOINT": hub.address}
        assert job.use("nonsense") == 2
        assert hub.asked == []


@pytest.mark.parametrize("key", [KEY, ""], ids=["key", "none"])
def test_the_gitlab_job_pushes_where_it_has_a_key(job, key):
    """Afterwards the reports lead to the experiment; without a key nothing is asked."""
    (script,) = GITLAB["script"]
    (after,) = GITLAB["after_script"]
    with langsmith() as hub:
        told = {**GITLAB["variables"], "CI": "true", "LANGSMITH_API_KEY": key, "LANGSMITH_ENDPOINT": hub.address}
        for text in (script, after):
            command = ["bash", "-eo", "pipefail", "-c", text]
            subprocess.run(command, cwd=job.root, env={**job.environment, **told}, capture_output=True, check=False)

    assert len(hub.workspace.sessions) == bool(key)
    assert ("In LangSmith" in (job.root / "harness-report/summary.md").read_text()) == bool(key)


def test_the_gitlab_job_replays_and_reports(job):
    """The script of the template ends with the exit code of `harness run` and leaves what its artifacts name."""
    (script,) = GITLAB["script"]
    variables = {**GITLAB["variables"], "HARNESS_SUITES": "agent", "HARNESS_ARGUMENTS": "--limit 2", "CI": "true"}
    environment = {**job.environment, **variables}
    answer = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script], cwd=job.root, env=environment, capture_output=True, text=True, check=False
    )

    assert answer.returncode == 0, answer.stderr
    junit = job.root / GITLAB["artifacts"]["reports"]["junit"]
    assert len(list(ET.parse(junit).iter("testcase"))) == 3  # noqa: S314, our own file
    (job.root / "cassettes/agent/case-001.yaml").unlink()
    assert subprocess.run(["bash", "-c", script], cwd=job.root, env=environment, capture_output=True, check=False).returncode == 4
