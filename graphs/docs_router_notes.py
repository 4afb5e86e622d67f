"""Notes from three documentations, and a retriever that finds them by the words that they share with a question."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

from graphs.word_index import WordIndex

FILE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Note:
    """A question that the documentation `source` answers, the answer, and how clearly the question points there."""

    source: str
    question: str
    text: str
    confidence: float


@cache
def load() -> tuple[Note, ...]:
    """All notes of all documentations."""
    stored = json.loads(FILE.read_text("utf-8"))
    return tuple(Note(source=source, **note) for source, found in stored.items() for note in found)


@cache
def index() -> WordIndex:
    """The index of all notes, by question and answer."""
    return WordIndex([f"{note.question} {note.text}" for note in load()])


def nearest(question: str, *, count: int, sources: Collection[str]) -> list[Note]:
    """The notes of these documentations that share most with a question, the best one first."""
    notes = load()
    among = [place for place, note in enumerate(notes) if note.source in sources]
    return [notes[place] for place in index().nearest(question, count=count, among=among)]


class NotesRetriever(BaseRetriever):
    """Finds the notes of some documentations."""

    sources: tuple[str, ...]
    count: int = 2

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:  # noqa: ARG002  # LangChain names it
        found = nearest(query, count=self.count, sources=self.sources)
        return [Document(note.text, metadata={"source": note.source, "question": note.question}) for note in found]
