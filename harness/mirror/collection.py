"""A dataset as LangSmith has it: the requests that make it, add examples and change them."""

import dataclasses
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from harness.dataset import Dataset
from harness.mirror.call import Call, grouped
from harness.mirror.examples import Example, difference, example_of
from harness.mirror.redaction import Redactions

EXAMPLES_AT_ONCE = 100


@dataclasses.dataclass(frozen=True)
class Collection:
    """A dataset. `id` is that which LangSmith has, or is to have; nothing that leaves holds a secret, as `redactions` notes.

    `theirs` are the cases that were pulled from examples which were not made here.
    """

    id: str
    dataset: Dataset
    redactions: Redactions
    theirs: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return self.dataset.name

    @cached_property
    def examples(self) -> dict[str, Example]:
        """Return the examples by case."""
        examples = (example_of(case, self.id, is_theirs=case.id in self.theirs) for case in self.dataset.cases)
        return {one.case: self.redactions.example(one) for one in examples}

    def beside(self, served: Container[str]) -> "Collection":
        """Return the same beside these examples, by id: a case that is called like one of them was pulled from it, and is it."""
        theirs = frozenset(case.id for case in self.dataset.cases if case.id in served)
        return self if theirs == self.theirs else dataclasses.replace(self, theirs=theirs)

    def making(self) -> Call:
        """Return the request that makes the dataset."""
        document: dict[str, Any] = {"id": self.id, "name": self.name, "data_type": "kv", "description": "pushed by langgraph-harness"}
        return self.redactions.call(Call(f"dataset {self.id}", "POST", "/datasets", document))

    def adding(self) -> Iterator[Call]:
        """Yield the requests that add all examples."""
        return self._in_groups(self.examples.values())

    def lacking(self, served: Mapping[str, Mapping[str, Any]]) -> Iterator[Call]:
        """Yield the requests that add what is not among the served examples, by id, and change what is other there: a new version."""
        own = self.examples.values()
        yield from self._in_groups(one for one in own if one.id not in served)
        for call in self._in_groups(one for one in own if one.id in served and self._difference(one, served[one.id])):
            yield call._replace(key=f"changed {call.key}", method="PATCH")

    def _difference(self, one: Example, served: Mapping[str, Any]) -> str:
        """Return what LangSmith has otherwise of an example, unless it only has a secret that a pull replaced."""
        return difference(one, served) and difference(one, self.redactions.clean(served))

    def problem(self, served: Mapping[str, Mapping[str, Any]]) -> str:
        """Return which case the served examples lack, or have otherwise, and in what; "" where they have all as they are here."""
        for one in self.examples.values():
            if one.id not in served:
                return f"case {one.case!r} is not there"
            if other := self._difference(one, served[one.id]):
                return f"case {one.case!r} has other {other}"
        return ""

    def tagging(self, commit: str | None, version: str | None) -> Call | None:
        """Return the request that tags a version with the commit; None without one. The version is None as long as it is not known."""
        if commit is None:
            return None
        document: dict[str, Any] = {"as_of": version, "tag": commit_tag(commit)}
        return Call(f"tag {self.id} {commit}", "PUT", f"/datasets/{self.id}/tags", document)

    def _in_groups(self, examples: Iterable[Example]) -> Iterator[Call]:
        path = f"/v1/platform/datasets/{self.id}/examples"
        for parts in grouped((one.parts for one in examples), EXAMPLES_AT_ONCE):
            yield Call(f"examples {parts[0].name}", "POST", path, parts=parts)


def commit_tag(commit: str) -> str:
    """Return the tag that a version of a dataset gets for a commit."""
    return f"git:commit:{commit}"
