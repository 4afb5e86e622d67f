"""Redaction of what leaves: every text of a call, but no id and no time, with a note of what was replaced where."""

import dataclasses
from typing import Any, NamedTuple

from harness.cassette.redact import Redactor
from harness.errors import RedactionError
from harness.mirror.call import Call, Part
from harness.mirror.examples import Example
from harness.schema import canonical_json, read_json

_FIXED = (
    "id",
    "trace_id",
    "parent_run_id",
    "dotted_order",
    "session_id",
    "run_id",
    "run_type",
    "reference_example_id",
    "reference_dataset_id",
    "experiment_ids",
    "comparative_experiment_id",
    "feedback_group_id",
    "start_time",
    "end_time",
    "created_at",
    "modified_at",
)
_ID_LENGTH = 36


class Redacted(NamedTuple):
    """A secret that was replaced: the part of which call it stood in, its kind, and the six digits of the token in its place."""

    place: str
    kind: str
    fingerprint: str


@dataclasses.dataclass(slots=True)
class Redactions:
    """Redacts calls, one after another; `found` is the manifest."""

    redactor: Redactor
    found: dict[Redacted, None] = dataclasses.field(default_factory=dict)

    def call(self, call: Call) -> Call:
        """Return a call without secrets."""
        parts = tuple(Part(part.name, self._value(part.value, part.name, is_head=_is_head(part.name))) for part in call.parts)
        document = None if call.document is None else self._value(call.document, call.key, is_head=True)
        return call._replace(parts=parts, document=document)

    def example(self, example: Example) -> Example:
        """Return an example without secrets."""
        inputs, outputs, metadata, split = (self._value(value, f"example {example.id}") for value in example[2:])
        return example._replace(inputs=inputs, outputs=outputs, metadata=metadata, split=tuple(split))

    def clean(self, value: Any) -> Any:
        """Return a value that does not leave as it would be without secrets; the manifest has nothing of it."""
        try:
            return read_json(self.redactor.text(canonical_json(value)))
        except ValueError:  # the redactors of the config leave no JSON of it
            return value

    def _value(self, value: Any, place: str, *, is_head: bool = False) -> Any:
        """Return a value without secrets; a head keeps its ids and times, all else is the user's content."""
        text = canonical_json(value)
        clean = self.redactor.text(text)
        if clean == text:
            return value
        for secret in self.redactor.secrets_in(text):
            self.found[Redacted(place, secret.kind, secret.fingerprint)] = None
        try:
            changed = read_json(clean)
        except ValueError:
            message = f"the redactors of the config leave no JSON of {place!r}; nothing of it was sent"
            raise RedactionError(message) from None
        return _with_ids(changed, value) if is_head else changed


def _is_head(part: str) -> bool:
    """Tell the part of a form that says what a run, a piece of feedback or an example is from those with its content."""
    return len(part.rpartition(".")[2]) == _ID_LENGTH


def _with_ids(changed: Any, original: Any) -> Any:
    if not isinstance(changed, dict) or not isinstance(original, dict):
        return changed
    return changed | {name: original[name] for name in _FIXED if name in original}
