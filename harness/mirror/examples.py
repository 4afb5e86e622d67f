"""Cases as examples of a dataset, and back: what LangSmith has no field for stands in the metadata, so that nothing is lost."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import JsonValue

from harness.dataset import Case
from harness.mirror.call import Part, json_bytes
from harness.mirror.ids import example_id

_OWN = "langgraph_harness"
_SPLIT = "dataset_split"
_BASE = "base"
_ELSEWHERE = {"id", "inputs", "expected", "tags", "metadata"}


class Example(NamedTuple):
    """An example: its id, the case that it is of, and its content."""

    id: str
    case: str
    inputs: dict[str, JsonValue]
    outputs: dict[str, JsonValue]
    metadata: dict[str, JsonValue]
    split: tuple[str, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the parts of a form that make or change it."""
        head = Part(self.id, {"metadata": self.metadata, "split": list(self.split)})
        return head, Part(f"{self.id}.inputs", self.inputs), Part(f"{self.id}.outputs", self.outputs)


def example_of(case: Case, dataset: str, *, is_theirs: bool = False) -> Example:
    """Return the example of a case: tags are its splits, what is expected its outputs, inputs that are no object stand under `input`.

    With `is_theirs` the case was pulled from an example that was not made here: it is that example, and keeps its form if it can.
    """
    stored: dict[str, JsonValue] = case.model_dump(mode="json", exclude_defaults=True)
    own = {name: value for name, value in stored.items() if name not in _ELSEWHERE}
    inputs, expected = stored["inputs"], stored.get("expected")
    outputs = expected if isinstance(expected, dict) else {}
    split, identifier = case.tags or (_BASE,), case.id if is_theirs else example_id(dataset, case.id)
    if is_theirs and not own and isinstance(inputs, dict) and ("reference" not in outputs or len(outputs) == 1):
        reference = outputs.get("reference", outputs)
        return Example(identifier, case.id, inputs, reference if isinstance(reference, dict) else {}, dict(case.metadata), split)
    own |= {} if isinstance(inputs, dict) else {"wrapped": True}
    own |= {"tags": [_BASE]} if case.tags == (_BASE,) else {}
    reserved: dict[str, JsonValue] = {name: case.metadata[name] for name in (_OWN, _SPLIT) if name in case.metadata}
    own |= {"metadata": reserved} if reserved else {}
    return Example(
        id=identifier,
        case=case.id,
        inputs=inputs if isinstance(inputs, dict) else {"input": inputs},
        outputs=outputs,
        metadata={**{name: value for name, value in case.metadata.items() if name not in reserved}, _OWN: {"case": case.id, **own}},
        split=split,
    )


def difference(example: Example, served: Mapping[str, Any]) -> str:
    """Return what LangSmith has otherwise of an example than it is here, as far as it tells of it; "" where it is the same."""
    metadata, split = _parted(served)
    parts = (
        ("inputs", example.inputs, served.get("inputs") or {}),
        ("outputs", example.outputs, served.get("outputs") or {}),
        ("metadata", example.metadata, metadata),
        ("splits", sorted(example.split), sorted(_splits(split)) or sorted(example.split)),
    )
    return next((name for name, here, there in parts if json_bytes(here) != json_bytes(there)), "")


def _parted(served: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return the metadata of an example, and its splits, which LangSmith puts among them."""
    metadata = dict(served.get("metadata") or {})
    return metadata, metadata.pop(_SPLIT, served.get("split"))


def _splits(told: Any) -> list[str]:
    """Return the names of splits, of which there may be one without a list."""
    return [told] if isinstance(told, str) else list(told or [])


def case_rows(served: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield examples as rows of a dataset file: one that was pushed from here as the case it was, another by its own id."""
    for one in served:
        metadata, split = _parted(one)
        own = metadata.pop(_OWN, None)
        yield _foreign(one, metadata, split) if not isinstance(own, dict) else _ours(one, metadata, split, dict(own))


def _foreign(one: Mapping[str, Any], metadata: dict[str, Any], split: Any) -> dict[str, Any]:
    return {"id": one["id"], "inputs": one.get("inputs") or {}, "outputs": one.get("outputs"), "metadata": metadata, "split": split}


def _ours(one: Mapping[str, Any], metadata: dict[str, Any], split: Any, own: dict[str, Any]) -> dict[str, Any]:
    inputs = one.get("inputs") or {}
    tags = _splits(split)
    tags = own.pop("tags", []) if tags == [_BASE] else tags
    metadata |= own.pop("metadata", {})
    row = {"id": own.pop("case", one["id"]), "inputs": inputs.get("input") if own.pop("wrapped", False) else inputs, **own}
    return {**row, "expected": one.get("outputs") or {}, "metadata": metadata, "tags": tags}
