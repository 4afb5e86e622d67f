"""An agent behind HTTP without any framework, for the tests of suites whose graph is a URL: run as a script, or read for its text."""

import json
import os
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HABITS = set(sys.argv[2:])
THREADS: dict[str, dict] = {}


def ask(question):
    """Return what the model answers."""
    body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": question}]}).encode()
    request = urllib.request.Request(f"{os.environ['OPENAI_BASE_URL']}/chat/completions", body, {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        return json.load(response)["choices"][0]["message"]["content"]


def run(thread, resume=None):
    """Run a thread to its end, or to where it waits for a human."""
    question = thread["inputs"]["question"]
    if "loops" in HABITS:
        ask(question)
        return {"status": "failed", "error": {"type": "GraphRecursionError"}}, []
    if "fails" in HABITS:
        return {"status": "failed", "error": {"type": "LookupError", "message": "no such queue"}}, []
    if "approval" in HABITS and resume is None:
        return {"status": "interrupted", "interrupts": [{"id": "i1", "value": {"action": "pay"}}]}, []
    try:
        answer = "Paris" if "shortcut" in HABITS else ask(question)
    except urllib.error.HTTPError:
        answer = "sorry"  # a fallback: it must not hide what is missing
    message = {"type": "ai", "content": answer, "id": os.urandom(8).hex(), "response_metadata": {"id": os.urandom(8).hex()}}
    state = {"question": question, "answer": answer, "approved": resume, "messages": [message]}
    updates = [
        {"node": "inner", "step": 1, "namespace": ["ask"], "update": {}},
        {"node": "ask", "step": 1, "update": {"answer": answer}},
        {"node": "say", "step": 2, "update": {"messages": [message]}},
    ]
    return {"status": "done", "state": state}, updates


class Agent(BaseHTTPRequestHandler):
    """Speaks the protocol, or breaks it as its habits say."""

    def do_POST(self):
        """Begin, go on, or do all at once."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        thread = THREADS.setdefault(body["thread_id"], body)
        if "breaks" in HABITS:
            self.say(500, {"detail": "out of order"})
        elif "babbles" in HABITS:
            self.say(200, ["nothing", "of", "the", "kind"])
        elif self.path == "/execute" or body.get("wait"):
            self.say(200, run(thread, body.get("resume"))[0])
        elif "whole" in HABITS:
            self.say(404, {})
        else:
            thread["told"] = run(thread, body.get("resume"))
            self.say(202, {"thread_id": body["thread_id"]})

    def do_GET(self):
        """Tell that all is well, or what a thread did."""
        if self.path == "/ready":
            self.say(200, {})
            return
        end, updates = THREADS[self.path.removeprefix("/stream/")]["told"]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for update in updates:
            self.wfile.write(f": ping\n\nevent: update\ndata: {json.dumps(update)}\n\n".encode())
        if "hangs-up" not in HABITS:
            self.wfile.write(f"event: end\r\ndata: {json.dumps(end)}\r\n\r\n".encode())

    def say(self, status, value):
        """Answer in JSON."""
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Say nothing."""


if __name__ == "__main__":
    if "quits" in HABITS:
        sys.exit("no such model")
    with ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Agent) as server:
        server.serve_forever()
