"""What a push asks and sends over real HTTP: its routes, its bodies, and what it needs not load for that."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from langsmith_service import push

NO_KEY = {name: value for name, value in os.environ.items() if not name.startswith("LANG")} | {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_a_dry_run_prints_the_requests_that_a_push_sends(ran, hub):
    """Nothing is asked; every request is there by its method and path, and no other."""
    printed = [json.loads(line) for line in ran.harness("push", "--dry-run").out.splitlines()]
    assert hub.asked == []

    push(ran)

    asked = [(one["method"], one["path"]) for one in printed]
    assert sorted(asked) == sorted((method, path) for method, path in hub.workspace.writes if not path.endswith("/tags"))


@pytest.mark.parametrize("zstd", [True, False], ids=["zstd", "plain"])
def test_traces_are_compressed_where_the_server_takes_it(ran, hub, zstd):
    """The server says so; what arrives is the same."""
    hub.workspace.instance_flags["zstd_compression_enabled"] = zstd

    push(ran)

    bodies = [body for (_, path), body in zip(hub.workspace.log, hub.workspace.bodies, strict=True) if path == "/runs/multipart"]
    assert {body.startswith(b"\x28\xb5\x2f\xfd") for body in bodies} == {zstd}


@pytest.mark.parametrize("told", [True, False], ids=["told", "found-out"])
def test_a_server_with_the_newer_route_alone_is_asked_by_that(ran, hub, told):
    """Where `/runs/query` is gone, everything is verified by the newer route, and a second push changes nothing."""
    hub.workspace.instance_flags["ch_query_enabled"] = False
    if told:
        hub.workspace.instance_flags["sdb_query_enabled"] = True

    first = ran.harness("push")
    changes = hub.workspace.changes
    second = ran.harness("push")

    assert (first.code, second.code) == (0, 0)
    assert second.out.startswith("agent: 6 of 6 traces are in LangSmith (nothing had to be sent): ")
    assert hub.workspace.changes == changes
    asked = {target for _, target in hub.workspace.log if target.endswith("/runs/query")}
    assert asked == ({"/api/v2/runs/query"} if told else {"/runs/query", "/api/v2/runs/query"})


def test_looking_at_a_push_loads_no_graph(ran):
    """Neither LangGraph nor LangSmith's SDK is loaded to print what would be sent."""
    code = """
        import sys
        from click.testing import CliRunner
        from harness.cli import main
        answer = CliRunner().invoke(main, ["push", "--dry-run"])
        print(answer.exit_code, {"langgraph", "langchain_core", "langsmith", "vcr"} & set(sys.modules))
    """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ran.root, env=NO_KEY, capture_output=True, text=True, check=True
    )

    assert answer.stdout == "0 set()\n"
