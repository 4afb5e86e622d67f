"""`harness serve`: ready, served, stopped, and what its exit code says."""

import contextlib
import http.client
import re
import signal
import socket
import subprocess
import sys

import openai
import pytest
from exchanges import said, tape
from wire_server import ask, project_of


@pytest.fixture
def project(world, monkeypatch):
    """Return a project whose agent is in another process, outside CI."""
    monkeypatch.delenv("CI", raising=False)
    return project_of(world)


@contextlib.contextmanager
def command(world, *arguments, number=signal.SIGTERM):
    """Run `harness serve` as a user would and end it by a signal; yields its port, then exit code and output."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.cli", "serve", *arguments],
        cwd=world.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    ended = {}
    try:
        line = process.stderr.readline()
        found = re.fullmatch(r"harness: ready port=(\d+) mode=(\w+) base_url=(\S+)\n", line)
        assert found, line + process.stderr.read()
        yield int(found[1]), found[3], ended
        process.send_signal(number)
        ended["out"], ended["err"] = process.communicate(timeout=30)
        ended["code"] = process.returncode
    finally:
        process.kill()
        process.communicate()


def _status_of(client):
    """Return the HTTP status of the error that a question ends with."""
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client)
    return caught.value.status_code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_the_command_serves_until_it_is_stopped(project, number):
    """`harness serve` says its port, serves, and ends with 0 and no summary where all was played."""
    tape(project, "one", said("capital?", "Paris."))

    with command(project, number=number) as (port, base_url, ended):
        assert base_url == f"http://127.0.0.1:{port}/SUITE/CASE/v1"
        url = base_url.replace("SUITE/CASE", "agent/one")
        with openai.OpenAI(base_url=url, api_key="a key") as client:
            assert ask(client).choices[0].message.content == "Paris."

    assert ended == {"code": 0, "out": "", "err": ""}


def test_the_command_ends_with_4_after_a_miss(project):
    """A trial that missed makes `harness serve` end with 4, and is summed up in a line; so is one that left something unused."""
    tape(project, "one", said("capital?", "Paris."), said("more?", "Yes."))

    with command(project) as (_, base_url, ended):
        for case, question in (("one", "capital?"), ("limited", "capital?")):
            url = base_url.replace("SUITE/CASE", f"agent/{case}")
            with contextlib.suppress(openai.APIError), openai.OpenAI(base_url=url, api_key="a key") as client:
                ask(client, question)

    assert ended["code"] == 4
    assert ended["out"].splitlines()[0] == "agent/one: 1 asked, 1 played, 1 unused"
    assert re.match(r"agent/limited: 2 asked, 1 missed: .*the cassette is empty", ended["out"].splitlines()[1])
    assert ended["err"] == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    {
        "both": (("--replay", "--record"), "exclude each other"),
        "upstream": (("--upstream", "https://example.com"), "--upstream is for --record"),
        "no url": (("--record", "--upstream", "example"), "not a URL"),
        "bad url": (("--record", "--upstream", "http://[::"), "not a URL"),
        "host": (("--host", "0.0.0.0"), "not a loopback address"),  # noqa: S104, refused
        "suite": (("agnet",), "there is no suite 'agnet'; did you mean 'agent'?"),
    }.values(),
    ids=["both", "upstream", "no-url", "bad-url", "host", "suite"],
)
def test_the_command_refuses_what_it_cannot_serve(project, arguments, told):
    """Options that cannot be served end with 2 and a line that says why."""
    answer = project.harness("serve", *arguments)

    assert answer.code == 2
    assert told in answer.err
    assert answer.err.count("\n") == 1


def test_recording_in_ci_is_refused(project, monkeypatch):
    """In CI no one reviews what is recorded: it has to be forced. An empty variable is not CI."""
    arguments = ("serve", "--record", "--upstream", "no URL")
    monkeypatch.setenv("CI", "true")

    assert "refused to record in CI" in project.harness(*arguments).err
    assert "not a URL" in project.harness(*arguments, "--force").err
    monkeypatch.setenv("CI", "")
    assert "not a URL" in project.harness(*arguments).err


def test_the_command_ends_with_2_where_a_trial_could_not_be_served(project):
    """An agent that asked for a case that there is not must not look like one that passed."""
    with command(project) as (_, base_url, ended), openai.OpenAI(base_url=base_url, api_key="a key") as client:
        status = _status_of(client)

    assert (status, ended["code"]) == (404, 2)
    assert "no suite 'SUITE' is served" in ended["err"]


def test_a_fault_that_never_struck_is_told(project):
    """A fault that no request met is summed up: it proved nothing."""
    tape(project, "late")

    with command(project) as (port, _, ended):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("HEAD", "/agent/late/v1")
        connection.getresponse().read()
        connection.close()

    assert (ended["code"], ended["out"]) == (0, "agent/late: nothing asked, fault 'timeout' never struck\n")


def test_a_port_that_is_taken_is_told(project):
    """A port that another program listens on ends the command with 2."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        answer = project.harness("serve", "--port", port)

    assert answer.code == 2
    assert f"cannot listen on 127.0.0.1 port {port}" in answer.err


def test_the_upstream_cannot_be_the_server_itself(project):
    """A recording that would ask itself is refused."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    answer = project.harness("serve", "--record", "--port", str(port), "--upstream", f"http://127.0.0.1:{port}/v1")

    assert answer.code == 2
    assert "this server itself" in answer.err
