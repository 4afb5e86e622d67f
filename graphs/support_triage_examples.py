"""Labelled example tickets, found by how near their embeddings are to that of a new ticket.

The embeddings are stored beside the texts, so that looking one up costs one embedding: that of the new ticket. They are
standardised per dimension first: a few dimensions of a language model's mean-pooled vectors outweigh all others.
`python -m graphs.support_triage_examples` computes them again (the model server must be running).
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import hypot
from operator import mul
from pathlib import Path
from statistics import fmean
from typing import Any

from langchain_openai import OpenAIEmbeddings

FILE = Path(__file__).with_suffix(".json")
Vector = Sequence[float]


@dataclass(frozen=True)
class Example:
    """One ticket and its right answer."""

    text: str
    category: str
    priority: str
    reasoning: str


@dataclass(frozen=True)
class Library:
    """Examples with their standardised embeddings (tenths of a standard deviation)."""

    examples: tuple[Example, ...]
    vectors: tuple[tuple[int, ...], ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def nearest(self, embedding: Vector, *, count: int) -> list[Example]:
        """The most similar examples, the best one first; the file's order decides a tie."""
        query = standardise(embedding, self.mean, self.deviation)
        by_similarity = sorted(range(len(self.vectors)), key=lambda i: -cosine(query, self.vectors[i]))
        return [self.examples[i] for i in by_similarity[:count]]


def standardise(vector: Vector, mean: Vector, deviation: Vector) -> list[float]:
    """Each dimension in standard deviations from its mean."""
    return [(value - middle) / spread for value, middle, spread in zip(vector, mean, deviation, strict=True)]


def cosine(one: Vector, other: Vector) -> float:
    """Cosine similarity, -1 to 1."""
    product: float = sum(map(mul, one, other))
    return product / (hypot(*one) * hypot(*other))


def embedder(model: str) -> OpenAIEmbeddings:
    """Embeddings of whole texts, sent as text: the local server has no OpenAI tokenizer."""
    return OpenAIEmbeddings(model=model, check_embedding_ctx_length=False, max_retries=0)


@cache
def load() -> Library:
    """The committed examples."""
    stored = json.loads(FILE.read_text(encoding="utf-8"))
    examples = stored["examples"]
    return Library(
        examples=tuple(Example(e["text"], e["category"], e["priority"], e["reasoning"]) for e in examples),
        vectors=tuple(tuple(e["embedding"]) for e in examples),
        mean=tuple(stored["mean"]),
        deviation=tuple(stored["deviation"]),
    )


def rebuild(model: str) -> int:
    """Compute all embeddings again and write the file; returns how many."""
    examples: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["examples"]
    vectors = [embedder(model).embed_query(example["text"]) for example in examples]
    dimensions = list(zip(*vectors, strict=True))
    mean = [round(fmean(values), 5) for values in dimensions]
    deviation = [round(fmean((value - middle) ** 2 for value in values) ** 0.5, 5) for values, middle in zip(dimensions, mean, strict=True)]
    for example, vector in zip(examples, vectors, strict=True):
        example["embedding"] = [round(10 * value) for value in standardise(vector, mean, deviation)]
    write(examples, mean=mean, deviation=deviation)
    return len(examples)


def write(examples: list[dict[str, Any]], *, mean: list[float], deviation: list[float]) -> None:
    """The file, one example a line."""
    lines = ",\n".join(json.dumps(example, ensure_ascii=False, separators=(",", ":")) for example in examples)
    head = f'"mean":{json.dumps(mean)},\n"deviation":{json.dumps(deviation)}'
    FILE.write_text(f'{{{head},\n"examples":[\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    print(rebuild(os.environ.get("MODEL", "smollm2-135m-instruct")), "examples written to", FILE.name)
