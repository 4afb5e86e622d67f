"""What the tests of LangSmith share: a service and a project with an experiment for it."""

import os

import pytest

NAMES = ("LANGSMITH_API_KEY", "LANGCHAIN_API_KEY", "LANGCHAIN_ENDPOINT", "LANGSMITH_WORKSPACE_ID", "LANGSMITH_PROFILE")


def _serve(monkeypatch, server):
    from langsmith_server import KEY

    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANGSMITH_API_KEY", KEY)
    monkeypatch.setenv("LANGSMITH_ENDPOINT", server.address)


@pytest.fixture
def hub(monkeypatch):
    """Return the double, whose key and address are in the environment; what it is sent has to hold to its schemas."""
    from langsmith_server import langsmith

    with langsmith() as server:
        _serve(monkeypatch, server)
        yield server
        assert server.workspace.invalid == []


@pytest.fixture(params=["double", pytest.param("hosted", marks=pytest.mark.live)])
def service(request, monkeypatch):
    """Return the double, then LangSmith itself where there is a key, both by their client; what a test makes there is removed."""
    if request.param == "hosted" and not os.environ.get("LANGSMITH_API_KEY"):
        pytest.skip("LANGSMITH_API_KEY is not set")
    from langsmith_service import service_here

    if request.param == "hosted":
        yield (found := service_here(is_hosted=True))
        found.remove()
        return
    workspace = request.getfixturevalue("hub").workspace
    yield (found := service_here(is_hosted=False))
    found.remove()
    assert not {*workspace.datasets, *workspace.examples, *workspace.sessions, *workspace.runs, *workspace.feedback, *workspace.comparisons}


@pytest.fixture
def ran(world):
    """Return a project whose suite of six cases, two of them wrong, was run on its cassettes."""
    from langsmith_service import play

    def played():
        play(world)

    world.prepare(played)
    return world


@pytest.fixture
def served(world, service):
    """Return the same over a dataset of the name that a test may make in the service."""
    from langsmith_service import play

    def played():
        play(world, service.path)

    if service.is_hosted:
        played()
    else:
        world.prepare(played)
    return world
