"""Planted secrets: recorded from a real server and replayed, none is found anywhere afterwards, and the replay still matches."""

import base64
import gzip
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

# put together here, so that no scanner takes this file for a leak
LETTERS = "Ab3dEf6hIj9lMn2pQr5tUv8xYz1BcD4fGh7jKl0nOp3rSt6uVw9yZa2"
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PEM = "-----{} PRIVATE KEY-----"
SECRETS = {
    "OpenAI": "sk-" + "proj-" + LETTERS,
    "OpenAI service account": "sk-" + "svcacct-" + LETTERS,
    "OpenAI admin": "sk-" + "admin-" + LETTERS,
    "Anthropic": "sk-ant-" + "api03-" + LETTERS,
    "OpenRouter": "sk-or-" + "v1-" + HEX,
    "DeepSeek": "sk-" + HEX[:32],
    "Google API": "AIza" + LETTERS[:35],
    "Google OAuth": "ya29." + LETTERS,
    "Google client secret": "GOCSPX-" + LETTERS[:28],
    "AWS access key": "AKIA" + "0123456789ABCDEF",
    "GitHub": "ghp_" + LETTERS[:36],
    "GitHub fine-grained": "github_pat_" + LETTERS,
    "GitLab": "glpat-" + LETTERS[:20],
    "Slack": "xoxb-" + LETTERS[:30],
    "Slack webhook": "https://hooks.slack.com/services/" + "T0AB1CD2E/B0FG3HI4J/" + LETTERS[:24],
    "Stripe": "sk_" + "live_" + LETTERS[:24],
    "Twilio": "SK" + HEX[:32],
    "SendGrid": "SG." + LETTERS[:22] + "." + LETTERS[:43],
    "Mailgun": "key-" + HEX[:32],
    "npm": "npm_" + LETTERS[:36],
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" + LETTERS,
    "Hugging Face": "hf_" + LETTERS[:34],
    "Groq": "gsk_" + LETTERS[:40],
    "Perplexity": "pplx-" + LETTERS[:48],
    "xAI": "xai-" + LETTERS,
    "Replicate": "r8_" + LETTERS[:37],
    "LangSmith": "lsv2_" + "pt_" + HEX[:32] + "_" + HEX[:10],
    "Langfuse": "sk-lf-" + "9f86d081-884c-7d65-9a2f-eaa0c55ad015",
    "Databricks": "dapi" + HEX[:32],
    "Tavily": "tvly-" + LETTERS[:32],
    "Pinecone": "pcsk_" + LETTERS,
    "Telegram": "1234567890:AA" + LETTERS[:33],
    "JWT": "eyJ" + LETTERS[:20] + ".eyJ" + LETTERS[:20] + "." + LETTERS[:20],
    "private key": "\n".join([PEM.format("BEGIN"), LETTERS + "+/=", PEM.format("END")]),
    "database URL": "postgres://agent:" + LETTERS[:16] + "@db.internal:5432/app",
    "e-mail": "jane.doe+test@mail.example.co.uk",
    "customer": "cus_" + "12345678",
    "name": "Jane Q. Doe",
}
SEPARATOR = " ;\n"
PLACES = ("header", "url", "json", "nested json", "gzip", "base64", "sse", "sse split", "tool arguments", "error", "field")

CONFIG = """
    [redact]
    patterns = { "customer-id" = "cus_[0-9]{8}" }
    callables = ["rules.py:names"]

    [suites.agent]
    graph = "agent.py:build"
    dataset = "datasets/agent.jsonl"
"""
RULES = """
    def names(text):
        return text.replace("Jane Q. Doe", "<person>")
"""
AGENT = """
    import base64
    import json
    import os
    from typing import TypedDict

    import httpx
    import openai
    from langgraph.graph import END, START, StateGraph


    class State(TypedDict):
        secret: str
        place: str
        said: str


    def ask(state):
        secret, place, base = state["secret"], state["place"], os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
        headers = {"authorization": f"Bearer {secret!r}", "x-api-key": repr(secret)} if place == "header" else {}
        url = f"{base}/tool/{place.replace(' ', '-')}"
        each = secret.split(" ;\\n")
        params = [(name, one) for one in each for name in ("q", "api_key")] if place == "url" else []
        body = {"place": place, "text": f"my own: {secret} ."}
        if place == "nested json":
            body = {"outer": json.dumps({"inner": json.dumps({"text": secret})})}
        if place == "field":
            body = {"password": secret, "client_secret": secret, "headers": {"Authorization": secret}}
        if place == "base64":
            body = {"files": [base64.b64encode(f"it is {one} .".encode()).decode() for one in each]}
        answer = httpx.post(url, json=body, headers=headers, params=params)
        print("the graph prints what it likes, but not here")
        if place == "error":
            raise RuntimeError(f"refused: {answer.text} for {secret}")
        return {"said": answer.text}


    def build():
        graph = StateGraph(State)
        graph.add_node("ask", ask)
        graph.add_edge(START, "ask")
        graph.add_edge("ask", END)
        return graph.compile()
"""


def event(delta):
    """Return a streamed event of a chat completion."""
    return f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [{'index': 0, 'delta': delta}]})}\n\n"


def pieces(text):
    """Cut a text into pieces of three characters."""
    return [text[start : start + 3] for start in range(0, len(text), 3)]


def answer(place, secret):
    """Return status, content type, content encoding and body of an answer that has a secret in this place."""
    said = f"it is {secret} ."
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "login", "arguments": json.dumps({"note": said})}}
    match place:
        case "sse":
            return 200, "text/event-stream", "", event({"content": said}) + "data: [DONE]\n\n"
        case "sse split":
            arguments = json.dumps({"note": said})
            calls = [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces(arguments)]
            return 200, "text/event-stream", "", "".join(map(event, [*({"content": piece} for piece in pieces(said)), *calls]))
        case "gzip":
            return 200, "application/json", "gzip", json.dumps({"text": said})
        case "base64":
            return (
                200,
                "application/json",
                "",
                json.dumps({"data": [base64.b64encode(f"it is {one} .".encode()).decode() for one in secret.split(SEPARATOR)]}),
            )
        case "tool arguments":
            choices = [{"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "tool_calls"}]
            return 200, "application/json", "", json.dumps({"object": "chat.completion", "choices": choices})
        case "error":
            return 400, "application/json", "", json.dumps({"error": {"message": f"Incorrect API key provided: {secret}"}})
        case "field":
            return 200, "application/json", "", json.dumps({"access_token": secret, "nested": {"apiKey": secret}})
    return 200, "application/json", "", json.dumps({"text": said, "again": json.dumps({"deep": said})})


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        place = self.path.partition("?")[0].rpartition("/")[2].replace("-", " ")
        self.rfile.read(int(self.headers.get("content-length", 0)))
        status, kind, encoding, text = answer(place, self.server.secret())
        body = gzip.compress(text.encode()) if encoding else text.encode()
        self.send_response(status)
        for name, value in (("content-type", kind), ("content-length", str(len(body))), ("content-encoding", encoding)):
            if value:
                self.send_header(name, value)
        self.send_header("set-cookie", f"session={quote(self.server.secret())}")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments):
        """Say nothing."""


@contextmanager
def serving(secrets):
    """Serve answers, each with the next secret of a list in it."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.secret = lambda: server.current
    server.current = secrets
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def needles(secret):
    """Return the forms in which a secret must not be found: as it is, escaped, percent-encoded, in base64, and its longest part."""
    core = max(re.split(r"[\n@/]", secret), key=len)
    forms = {secret, json.dumps(secret)[1:-1], quote(secret, safe=""), quote(secret), core}
    return forms | {base64.b64encode(f"it is {secret} .".encode()).decode()}


@pytest.mark.parametrize("place", PLACES)
def test_nothing_of_a_secret_is_left(world, monkeypatch, place):
    """Every kind of secret in one place: none on disk, printed or reported, and the replay matches."""
    world.write("harness.toml", CONFIG)
    world.write("rules.py", RULES)
    world.write("agent.py", AGENT)
    every = SEPARATOR.join(SECRETS.values())
    ends = "error" if place == "error" else "answer"
    case = {"id": "one", "inputs": {"secret": every, "place": place, "said": ""}, "expected": {"ends": ends}}
    world.write("outside/agent.jsonl", json.dumps(case))
    world.edit("harness.toml", "datasets/agent.jsonl", "outside/agent.jsonl")
    with serving(every) as base_url, monkeypatch.context() as patch:
        patch.setenv("OPENAI_BASE_URL", base_url)
        recorded = world.harness("record")
    run = world.harness("run", "-o", "out/report.md", "-o", "out/report.xml", "-o", "out/report.csv", "-o", "out/report.json")
    shown = world.harness("show", "latest", "one")
    scanned = world.harness("cassettes", "scan")
    said = "".join(part for command in (recorded, run, shown, scanned) for part in (command.out, command.err))
    files = {path: path.read_bytes().decode() for path in world.root.rglob("*") if path.is_file() and path.suffix not in {".py", ".pyc"}}
    written = {str(path.relative_to(world.root)): text for path, text in files.items() if "outside" not in path.parts}

    assert (run.code, scanned.code) == (0, 0), run.err + scanned.out
    assert world.trial().played == 1
    assert any(name.startswith("cassettes/") for name in written)
    for name, secret in SECRETS.items():
        for needle in needles(secret):
            assert needle not in said, name
            assert [path for path, text in written.items() if needle in text] == [], name
