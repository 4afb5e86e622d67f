"""LangSmith's prompt hub: a commit of a prompt as a text, a text as a commit."""

import re
from typing import Any, NamedTuple

from harness.errors import SinkError, UsageError
from harness.sinks.langsmith import Conflict, LangSmith, NotThere
from harness.sinks.manifest import Template, manifest_of, template_of

_ADDRESS = re.compile(r"(?:([\w-]+)/)?([A-Za-z0-9][\w-]*)(?::([\w.-]+))?")
_OWN = "-"
_NOTHING = "nothing to commit"


class Address(NamedTuple):
    """A prompt of the hub: its owner, `-` for one's own workspace, its name, and a commit, by its hash, its tag or as `latest`."""

    owner: str
    name: str
    commit: str = "latest"

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}" if self.owner != _OWN else self.name


class Commit(NamedTuple):
    """A commit of a prompt: its hash and its template."""

    hash: str
    template: Template


class Pushed(NamedTuple):
    """What became of a push: the commit that holds the text now, and whether it is a new one."""

    hash: str
    is_new: bool


def parse_address(text: str) -> Address:
    """Read `OWNER/NAME:COMMIT`, of which only the name has to be there."""
    found = _ADDRESS.fullmatch(text)
    if not found:
        message = f"{text!r} is no prompt of the hub; write OWNER/NAME, OWNER/NAME:COMMIT, or NAME for one of your own workspace"
        raise UsageError(message)
    owner, name, commit = found.groups()
    return Address(owner or _OWN, name, commit or "latest")


def pull(hub: LangSmith, address: Address) -> Commit:
    """Return a commit of a prompt; SinkError where there is none, or where it is no single text."""
    return _read(hub, address)[0]


def push(hub: LangSmith, address: Address, text: str) -> Pushed:
    """Make a text the newest commit of a prompt, in the form that its commits have; a prompt that is not there is made, private."""
    try:
        latest, manifest = _read(hub, address)
    except NotThere:
        _make(hub, address)
        return _commit(hub, address, manifest_of(text, where=str(address)), parent=None)
    if latest.template.text == text:
        return Pushed(latest.hash, is_new=False)
    return _commit(hub, address, manifest_of(text, like=manifest, where=str(address)), parent=latest.hash)


def _read(hub: LangSmith, address: Address) -> tuple[Commit, Any]:
    document = hub.get(f"/commits/{address.owner}/{address.name}/{address.commit}")
    found, manifest = document.get("commit_hash"), document.get("manifest")
    if not isinstance(found, str) or not re.fullmatch(r"[0-9a-f]{8,64}", found):
        message = f"{hub.address}: the answer for {address} has no commit_hash"
        raise SinkError(message)
    return Commit(found, template_of(manifest, where=f"{address}:{found[:8]}")), manifest


def _make(hub: LangSmith, address: Address) -> None:
    """Make a prompt without a commit, unless there is one that has none yet. Only one's own workspace can have it."""
    try:
        hub.get(f"/repos/{address.owner}/{address.name}")
    except NotThere:
        handle = hub.get("/settings").get("tenant_handle")
        if address.owner not in {_OWN, handle}:
            message = f"{address} cannot be made: the key is of the workspace {handle!r}"
            raise SinkError(message) from None
        hub.post("/repos/", {"repo_handle": address.name, "description": "", "readme": "", "tags": [], "is_public": False})


def _commit(hub: LangSmith, address: Address, manifest: dict[str, Any], *, parent: str | None) -> Pushed:
    try:
        answer = hub.post(f"/commits/{address.owner}/{address.name}", {"parent_commit": parent, "manifest": manifest})
    except Conflict as refusal:
        if _NOTHING in str(refusal).lower() and parent is not None:
            return Pushed(parent, is_new=False)
        message = f"{hub.address}: {address} was not changed: {refusal}; pull its latest commit, then push again"
        raise SinkError(message) from None
    made = answer.get("commit")
    found = made.get("commit_hash") if isinstance(made, dict) else None
    if not isinstance(found, str):
        message = f"{hub.address}: the answer does not say which commit was made of {address}"
        raise SinkError(message)
    return Pushed(found, is_new=True)
