"""Datasets to LangSmith and back: what is lacking is added, what differs is changed, which makes a new version there."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Sequence
from typing import Any

from harness.mirror import Call, Collection, case_rows
from harness.sinks.courier import LOOKS_S
from harness.sinks.reading import Reading
from harness.sinks.sender import Reply, Sender, Stopped


@dataclasses.dataclass(slots=True)
class DatasetPush:
    """Pushes a dataset; `noted` takes each call that was acknowledged. Afterwards, `versions` are those of its examples, by id."""

    collection: Collection
    sender: Sender
    noted: Callable[[Call, Reply], None]
    versions: dict[str, str] = dataclasses.field(default_factory=dict)

    def run(self) -> dict[str, Any]:
        """Send what is lacking, and return the dataset as LangSmith tells of it."""
        found = self._made()
        if found["id"] != self.collection.id:  # somebody made it before, and its id decides all others
            self.collection = dataclasses.replace(self.collection, id=found["id"])
        self._make_examples()
        return found

    def _made(self) -> dict[str, Any]:
        reading = Reading(self.sender)
        found = reading.dataset(self.collection.name)
        if found is None:
            self._send(self.collection.making())
            found = reading.dataset(self.collection.name)
        if found is None:
            message = f"{self.sender.remote.address}: dataset {self.collection.name!r} is not there although it was taken"
            raise Stopped(message)
        return found

    def _make_examples(self) -> None:
        """Add what is lacking and change what differs, each change once, and look until LangSmith has it so."""
        changed: set[str] = set()
        served: dict[str, dict[str, Any]] = {}
        for pause_s in (0.0, *LOOKS_S):
            if pause_s:
                self.sender.pause(pause_s)
            served = Reading(self.sender).examples(self.collection.id)
            self.collection = self.collection.beside(served)
            self.versions = {one["id"]: one["modified_at"] for one in served.values() if one.get("modified_at")}
            calls = list(self.collection.lacking(served))
            if not calls:
                return
            for call in calls:
                if call.key not in changed:
                    self._send(call)
                changed |= {call.key} if call.method == "PATCH" else set()
        problem = self.collection.problem(served)
        message = f"{self.sender.remote.address}: the examples of {self.collection.name!r} do not become what was sent: {problem}"
        raise Stopped(message)

    def _send(self, call: Call) -> None:
        self.noted(call, self.sender.change(call))


def pulled_rows(sender: Sender, name: str, *, as_of: str = "", splits: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the examples of a dataset as rows of a dataset file, by the cases' ids; Stopped where there is none.

    `as_of` is the time of a version, or its tag.
    """
    reading = Reading(sender)
    found = reading.dataset(name)
    if found is None:
        message = f"{sender.remote.address}: there is no dataset {name!r}, or the key may not see it"
        raise Stopped(message)
    at = as_of if not as_of or _is_time(as_of) else reading.tagged(found["id"], as_of)
    examples = {} if at is None else reading.examples(found["id"], as_of=at, splits=splits)
    if not examples and (as_of or splits):
        lacking = f"version {as_of!r}" if at is None else "example as of then" if as_of else "example"
        of = f" in {', '.join(splits)}" if splits and at is not None else ""
        message = f"{sender.remote.address}: dataset {name!r} has no {lacking}{of}; --as-of takes a time or a tag, --split a split"
        raise Stopped(message)
    return sorted(case_rows(examples.values()), key=lambda row: str(row["id"]))


def _is_time(text: str) -> bool:
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True
