"""`harness prompts pull` and `push`: versions from and to LangSmith's prompt hub, over real HTTP to a double of it."""

import json
import socket
import warnings

import pytest
from langchain_core.load import dumps, loads
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder, PromptTemplate
from langsmith_server import KEY

from harness.prompt import Prompt
from harness.sinks import langsmith as sink

TEXT = "Sort the ticket: {ticket}\n"


def manifest(template):
    """Return a template as LangChain serialises it, which is what the hub holds."""
    return json.loads(dumps(template))


def read_back(found):
    """Return the template that LangChain makes of a manifest."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `loads` is called a beta
        return loads(json.dumps(found), allowed_objects="all")


def system(text=TEXT, **how):
    """Return the manifest of a system message."""
    return manifest(ChatPromptTemplate([("system", text)], **how))


@pytest.fixture
def project(world):
    """Return a project with one prompt of two versions."""
    world.write("prompts/triage/v1.md", "Sort it.\n")
    world.write("prompts/triage/v2.md", TEXT)
    world.suite()
    return world


def files(world):
    """Return the files of the prompts folder by name."""
    folder = world.root / "prompts"
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_pulled_version_is_a_file_and_says_where_it_comes_from(project, hub):
    """The text is written as it stands, beside it the prompt, the commit, the role and the format; the active version stays."""
    commit = hub.put("triage", system())

    answer = project.harness("prompts", "pull", "acme/triage")

    name = f"triage/hub-{commit[:8]}"
    assert answer.code == 0
    assert answer.out.endswith(f"is acme/triage:{commit[:8]}; variants that name no version take v2\n")
    assert files(project)[f"{name}.md"] == TEXT
    assert json.loads(files(project)[f"{name}.json"]) == {
        "hub": "acme/triage",
        "commit": commit,
        "role": "system",
        "template_format": "f-string",
    }
    assert hub.asked == [("GET", "/commits/acme/triage/latest")]


def test_a_commit_can_be_named_and_the_version_called(project, hub):
    """An older commit is fetched by its hash, and stands under the name that is wished for."""
    first = hub.put("triage", system("Old.\n"))
    hub.put("triage", system())

    assert project.harness("prompts", "pull", f"triage:{first[:8]}", "--as", "sorting@v7").code == 0

    assert files(project)["sorting/v7.md"] == "Old.\n"


@pytest.mark.parametrize(
    ("template", "told"),
    [
        (ChatPromptTemplate([("human", "Say {x}")]), "Say {x}"),
        (ChatPromptTemplate([("system", "A {{x}} of {1}")], template_format="mustache"), "A {{x}} of {1}"),
        (PromptTemplate.from_template("Plain {x}"), "Plain {x}"),
    ],
    ids=["a human message", "mustache", "a plain template"],
)
def test_one_text_is_told_in_every_form(project, hub, template, told):
    """A single message of any role, a plain template, and both formats are one text, braces and all."""
    hub.put("triage", manifest(template))

    assert project.harness("prompts", "pull", "triage", "--as", "triage@v9").code == 0
    assert files(project)["triage/v9.md"] == told


UNTOLD = {
    "two messages": (ChatPromptTemplate([("system", "a"), ("human", "{b}")]), "it has 2 messages, not one"),
    "a placeholder": (ChatPromptTemplate([MessagesPlaceholder("history")]), "its message is a MessagesPlaceholder without"),
    "an image": (
        ChatPromptTemplate([("human", [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": "{u}"}])]),
        "its message is a HumanMessagePromptTemplate without a plain text",
    ),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_what_is_no_single_text_is_refused(project, hub, name):
    """What would be lost is said, in one line, and nothing is written."""
    template, why = UNTOLD[name]
    commit = hub.put("triage", manifest(template))
    before = files(project)

    answer = project.harness("prompts", "pull", "triage")

    assert (answer.code, answer.err.count("\n"), files(project)) == (2, 1, before)
    assert f"triage:{commit[:8]} cannot be told as one text: {why}" in answer.err


@pytest.mark.parametrize("manifest", [None, [], {"id": [], "kwargs": {}}, {"id": ["RunnableSequence"], "kwargs": {"first": 1}}, {"lc": 1}])
def test_a_manifest_that_is_no_template_is_refused(project, hub, manifest):
    """A chain with a model, or nonsense, is no text; it is never loaded as a LangChain object."""
    hub.put("triage", manifest)

    answer = project.harness("prompts", "pull", "triage")

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "cannot be told as one text: it is " in answer.err


def test_nothing_is_overwritten(project, hub):
    """The same text again is there already; another text under the same name is refused, and the file stays."""
    hub.put("triage", system())
    assert project.harness("prompts", "pull", "triage", "--as", "triage@v2").code == 0

    refused = project.harness("prompts", "pull", "triage", "--as", "triage@v1")

    assert (refused.code, files(project)["triage/v1.md"]) == (2, "Sort it.\n")
    assert (
        refused.err
        == "harness: prompts/triage/v1.md: it is there with another text, and is not overwritten; choose another version with --as\n"
    )


def test_a_version_becomes_a_commit(project, hub):
    """The active version is committed to a prompt that is not there yet; LangChain reads it back as that text with its variables."""
    answer = project.harness("prompts", "push", "triage")

    (commit,) = hub.commits["triage"]
    template = read_back(commit["manifest"])
    assert answer.code == 0
    digest = Prompt(name="triage", version="v2", text=TEXT).digest
    assert answer.out == f"prompt 'triage' v2 ({digest}): is now triage:{commit['commit_hash'][:8]}\n"
    assert template.input_variables == ["ticket"]
    assert template.invoke({"ticket": "late"}).to_messages()[0].content == "Sort the ticket: late\n"


def test_a_push_changes_the_text_alone(project, hub):
    """A commit follows the latest one, and keeps its form: a human message stays one, and what else is noted of it."""
    before = manifest(ChatPromptTemplate([("human", "Old {x}")])) | {"metadata": {"kept": True}}
    first = hub.put("triage", before)

    assert project.harness("prompts", "push", "triage", "v2", "--to", "acme/triage").code == 0

    after = hub.commits["triage"][-1]["manifest"]
    assert hub.commits["triage"][0]["commit_hash"] == first
    assert after["metadata"] == {"kept": True}
    assert after["kwargs"]["messages"][0]["id"][-1] == "HumanMessagePromptTemplate"
    assert after["kwargs"]["input_variables"] == ["ticket"]


def test_what_was_pushed_is_pulled_as_it_was(project, hub):
    """JSON in a prompt is no variable: a text comes back as it went, whatever its braces."""
    text = 'Answer with {"category": "billing"}, nothing else: é\n'
    project.write("prompts/triage/v3.md", text)

    assert project.harness("prompts", "push", "triage", "v3").code == 0
    assert project.harness("prompts", "pull", "triage", "--as", "triage@back").code == 0

    assert files(project)["triage/back.md"] == text
    template = read_back(hub.commits["triage"][-1]["manifest"])
    assert template.invoke({}).to_messages()[0].content == text


def test_nothing_to_commit_is_said(project, hub):
    """A text that is the latest commit's makes no request to change anything, and is no error."""
    project.harness("prompts", "push", "triage")
    asked = len(hub.asked)

    again = project.harness("prompts", "push", "triage")

    assert (again.code, len(hub.commits["triage"])) == (0, 1)
    assert "nothing to commit, it is triage:" in again.out
    assert hub.asked[asked:] == [("GET", "/commits/-/triage/latest")]


def test_a_server_that_sees_nothing_to_commit_is_believed(project, hub):
    """Where LangSmith itself finds nothing changed, the push did its work."""
    hub.put("triage", system("Old.\n"))
    hub.fails["POST", "/commits/-/triage"] = (409, json.dumps({"detail": "Nothing to commit: prompt has not changed since latest commit"}))

    answer = project.harness("prompts", "push", "triage")

    assert answer.code == 0
    assert "nothing to commit" in answer.out


def test_a_push_never_replaces_what_is_no_text(project, hub):
    """A prompt whose latest commit has two messages would lose one: it is refused and nothing is sent."""
    hub.put("triage", manifest(ChatPromptTemplate([("system", "a"), ("human", "b")])))

    answer = project.harness("prompts", "push", "triage")

    assert (answer.code, len(hub.commits["triage"])) == (2, 1)
    assert "it has 2 messages, not one" in answer.err


def test_braces_that_no_format_leaves_alone_are_refused(project, hub):
    """A text with variables of one format and braces of the other cannot be a template."""
    project.write("prompts/triage/v3.md", 'Say {{name}} as {"json": 1}\n')

    answer = project.harness("prompts", "push", "triage", "v3")

    assert (answer.code, answer.err.count("\n"), hub.commits.get("triage", [])) == (2, 1, [])
    assert "its braces are neither variables" in answer.err


def test_a_prompt_of_another_workspace_is_not_made(project, hub):
    """A prompt that is not there is made in one's own workspace alone."""
    answer = project.harness("prompts", "push", "triage", "--to", "others/triage")

    assert (answer.code, answer.err) == (2, "harness: others/triage cannot be made: the key is of the workspace 'acme'\n")
    assert hub.commits == {}


FAILURES = {
    "a wrong key": ((401, "{}"), "the key is not accepted (401); look at LANGSMITH_API_KEY"),
    "a key without the right": ((403, '{"detail": "no"}'), "the key may not do this (403): no"),
    "no such prompt": ((404, '{"detail": "Not Found"}'), "there is no /commits/-/triage/latest, or the key may not see it"),
    "too many requests": ((429, "{}"), "too many requests (429); try again later"),
    "a broken server": ((500, "<html>oh\nno</html>"), "/commits/-/triage/latest answered 500: <html>oh no</html>"),
    "a broken proxy": ((502, ""), "/commits/-/triage/latest answered 502: nothing"),
    "no JSON": ((200, "<html>"), "it did not answer with JSON"),
    "no object": ((200, "[]"), "did not answer with an object"),
    "no commit": ((200, "{}"), "the answer for triage has no commit_hash"),
    "a path as a hash": ((200, '{"commit_hash": "../../../../x", "manifest": {}}'), "the answer for triage has no commit_hash"),
    "no answer": ((None, ""), "no answer within 0.5 s; look at LANGSMITH_ENDPOINT"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_one_line(project, hub, monkeypatch, name):
    """Whatever LangSmith answers, or if it does not: one line, exit code 2, asked once, no part of the key, nothing written."""
    monkeypatch.setattr(sink, "TIMEOUT_S", (5.0, 0.5))
    before = files(project)
    hub.fails["GET", "/commits/-/triage/latest"], problem = FAILURES[name]

    answer = project.harness("prompts", "pull", "triage")

    assert (answer.code, answer.out, answer.err.count("\n"), len(hub.asked), files(project)) == (2, "", 1, 1, before)
    assert problem in answer.err
    assert KEY[:5] not in answer.err


def test_a_parent_that_is_not_the_latest_is_told(project, hub):
    """Where somebody else committed meanwhile, nothing is forced."""
    hub.put("triage", system("Old.\n"))
    hub.fails["POST", "/commits/-/triage"] = (409, json.dumps({"detail": "Parent commit is not the latest commit"}))

    answer = project.harness("prompts", "push", "triage")

    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "triage was not changed: Parent commit is not the latest commit; pull its latest commit, then push again" in answer.err


def test_an_address_where_nobody_answers(project, hub, monkeypatch):
    """A refused connection, and an address that is none, are one line without the key."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("LANGSMITH_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        refused = project.harness("prompts", "pull", "triage")
    monkeypatch.setenv("LANGSMITH_ENDPOINT", "nowhere")
    nowhere = project.harness("prompts", "push", "triage")

    for answer, said in ((refused, "it cannot be reached; look at LANGSMITH_ENDPOINT"), (nowhere, "'nowhere' is no address")):
        assert (answer.code, answer.err.count("\n")) == (2, 1)
        assert said in answer.err
        assert KEY[:5] not in answer.err


def test_a_key_comes_from_the_environment_alone(project, hub, monkeypatch):
    """Without a key nothing is asked; the older name of the variable is taken too."""
    hub.put("triage", system())
    monkeypatch.setenv("LANGSMITH_API_KEY", "")
    answer = project.harness("prompts", "pull", "triage")
    assert (answer.code, hub.asked) == (2, [])
    assert answer.err == "harness: LangSmith needs a key: set LANGSMITH_API_KEY; it is read from the environment alone\n"

    monkeypatch.setenv("LANGCHAIN_API_KEY", KEY)
    assert project.harness("prompts", "pull", "triage").code == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("pull", "a/b/c"), "'a/b/c' is no prompt of the hub; write OWNER/NAME"),
        (("pull", "../x"), "'../x' is no prompt of the hub"),
        (("pull", "triage", "--as", "../x"), "'../x' cannot be the name of a prompt or a version"),
        (("pull", "triage", "--as", "triage@a/b"), "'a/b' cannot be the name of a prompt or a version"),
        (("push", "triag"), "there is no prompt 'triag'; did you mean 'triage'?"),
        (("push", "triage", "v9"), "prompt 'triage' has no version 'v9'"),
        (("push", "triage", "--to", "acme/triage:abc"), "--to 'acme/triage:abc' names a commit; a push makes a new one"),
    ],
)
def test_what_cannot_be_asked_for(project, hub, arguments, problem):
    """Names that are none are refused before anything is asked."""
    answer = project.harness("prompts", *arguments)

    assert (answer.code, answer.err.count("\n"), hub.asked) == (2, 1, [])
    assert problem in answer.err
