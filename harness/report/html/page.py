"""The file: the page's own script and style inside, the data packed, and a policy that forbids every request."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files

from harness.report.html.document import document
from harness.report.html.evidence import Evidence
from harness.report.html.transcripts import packed
from harness.report.text import line
from harness.schema import canonical_json

_POLICY = "default-src 'none'; script-src 'sha256-{script}'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'none'"
_NO_SCRIPT = "This report shows its figures with the script inside this file, and scripts are off. It asks no server for anything."


def html(evidence: Evidence) -> str:
    """Return the report: one file that needs no other, the same for the same evidence."""
    script, style = _asset("page.js"), _asset("page.css")
    found = document(evidence)
    data = [
        _data("data", packed(canonical_json(found.head))),
        _data("texts", found.texts),
        *(_data(f"block-{number}", text) for number, text in enumerate(found.blocks) if text),
    ]
    policy = _POLICY.format(script=_digest(script), style=_digest(style))
    title = escape(f"{found.head['verdict']}: {line(evidence.head.id)}")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="color-scheme" content="light dark">\n'
        f'<link rel="icon" href="data:,">\n<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n'
        f'<div id="page"><main><h1>{title}</h1><noscript><p>{_NO_SCRIPT}</p></noscript></main></div>\n{_links(evidence.links)}'
        f"{''.join(data)}<script>{script}</script>\n</body>\n</html>\n"
    )


def _links(links: Mapping[str, str]) -> str:
    if not links:
        return ""
    told = ", ".join(f'<a href="{escape(address)}" rel="noreferrer">{escape(line(name))}</a>' for name, address in sorted(links.items()))
    return f"<footer>In LangSmith: {told}.</footer>\n"


def _data(name: str, text: str) -> str:
    return f'<script type="application/octet-stream" id="{name}">{text}</script>\n'


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def _asset(name: str) -> str:
    return files("harness.report.html").joinpath("assets", name).read_text("utf-8")
