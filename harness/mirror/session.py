"""A suite of an experiment as LangSmith has it: an experiment over a dataset, with a row for every trial."""

import dataclasses
import datetime as dt
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from pydantic import JsonValue

from harness.cassette.exchange import Exchange
from harness.experiment import Experiment, SuiteProvenance, Trial
from harness.mirror.call import Call
from harness.mirror.collection import Collection
from harness.mirror.feedback import Said, feedback
from harness.mirror.ids import session_id
from harness.mirror.moments import after, moment, written_moment
from harness.mirror.survey import Survey
from harness.mirror.traces import Row, feedback_on, trace_calls, trace_id

Exchanges = Callable[[Trial], Sequence[Exchange]]
"""Returns the exchanges of the cassette that a trial was played from; none where they are not known."""

VERDICT = "verdict"
_REACHED: dict[str, int] = {"pass": 1, "fail": 0, "stale": 0, "error": 0}


@dataclasses.dataclass(frozen=True)
class Mirror:
    """One suite and variant of an experiment; `verdict` is the gate's, `selected` says which of its trials are meant, if not all.

    `hidden` are the parts of runs that are not to be shown there: inputs, outputs, metadata; `figures` are those that the gate goes by.
    """

    head: Experiment
    suite: SuiteProvenance
    collection: Collection
    survey: Survey
    verdict: str
    reasons: tuple[str, ...] = ()
    selected: str = ""
    prompts: tuple[str, ...] = ()
    hidden: frozenset[str] = frozenset()
    figures: tuple[Said, ...] = ()

    @property
    def name(self) -> str:
        """Return the experiment's name, which no other may have: what ran, when, and the digest of the trials."""
        chosen = f" ({self.selected})" if self.selected else ""
        return f"{self.suite.name} {self.head.id}{chosen} {self.survey.digest[:8]}"

    @cached_property
    def id(self) -> str:
        """Return the id of the experiment."""
        return session_id(self.collection.id, self.name, self.survey.digest)

    @cached_property
    def started(self) -> dt.datetime:
        """Return when the experiment began."""
        return moment(self.head.started_at, experiment=self.head.id)

    @cached_property
    def ended(self) -> dt.datetime:
        """Return when it ended: not before the last row does, whose times are those of the recording."""
        finished = moment(self.head.finished_at or self.head.started_at, experiment=self.head.id)
        return max(finished, after(self.started, self.survey.lasted_s))

    @property
    def until(self) -> str:
        """Return a time, as it is sent, before which every run of it began."""
        return written_moment(after(self.ended, 1.0))

    def calls(self, trials: Iterable[Trial], exchanges: Exchanges, versions: Mapping[str, str]) -> Iterator[Call]:
        """Yield all requests in their order, those of these trials among them."""
        yield self.collection.making()
        yield from self.collection.adding()
        yield self.session_call()
        for trial in trials:
            yield from self.trace_calls(trial, versions, exchanges(trial))
        version = max(versions.values(), default=None)
        yield self.close_call(version)
        tag = self.collection.tagging(self.head.commit, version)
        if tag is not None:
            yield tag
        yield from self.verdict_calls()

    def session_call(self) -> Call:
        """Return the request that opens the experiment."""
        keys: list[JsonValue] = [*sorted(self.survey.keys)]
        document: JsonValue = {
            "id": self.id,
            "name": self.name,
            "reference_dataset_id": self.collection.id,
            "start_time": written_moment(self.started),
            "description": f"{self.suite.name}: experiment {self.head.id} of langgraph-harness",
            "num_examples": len(self.survey.cases),
            "num_repetitions": max(self.survey.repeats, 1),
            "evaluator_keys": keys,
            "extra": {"metadata": self._metadata()},
        }
        return self.collection.redactions.call(Call(f"experiment {self.id}", "POST", "/sessions", document))

    def trace_calls(
        self, trial: Trial, versions: Mapping[str, str], exchanges: Sequence[Exchange] = (), *, there: Container[str] = ()
    ) -> Iterator[Call]:
        """Yield the requests that bring a trial, but for runs that are `there`; `versions` are those of the examples, by id."""
        for call in trace_calls(trial, self._row(trial, versions), exchanges, there=there):
            yield self.collection.redactions.call(call)

    def feedback_calls(self, trial: Trial) -> Iterator[Call]:
        """Yield the feedback that the trace of a trial brings, each as a request of its own."""
        for said in feedback_on(trial, self._row(trial, {})):
            yield self.collection.redactions.call(Call(f"feedback {said['id']}", "POST", "/feedback", said))

    def _row(self, trial: Trial, versions: Mapping[str, str]) -> Row:
        example = self.collection.examples[trial.case]
        version, said_at = versions.get(example.id), written_moment(self.ended)
        return Row(self.id, self.started, example.id, version, example.inputs, said_at, self.hidden)

    def trace_id(self, trial: Trial) -> str:
        """Return the id of a trial's trace."""
        return trace_id(self.id, trial, self.started)

    def close_call(self, dataset_version: str | None) -> Call:
        """Return the request that closes the experiment, with the version of the dataset that it was run on."""
        version: dict[str, JsonValue] = {"dataset_version": dataset_version} if dataset_version else {}
        splits: list[JsonValue] = [*sorted({split for case in self.survey.cases for split in self.collection.examples[case].split})]
        metadata = {**self._metadata(), **version, "dataset_splits": splits}
        document: JsonValue = {"end_time": written_moment(self.ended), "extra": {"metadata": metadata}}
        return self.collection.redactions.call(Call(f"close {self.id}", "PATCH", f"/sessions/{self.id}", document))

    def verdict_calls(self) -> Iterator[Call]:
        """Yield the requests that say what the gate says, and the figures that it goes by, where all trials are meant."""
        verdict = Said(VERDICT, _REACHED.get(self.verdict), self.verdict, "\n".join(self.reasons), {})
        for said in (verdict, *(() if self.selected else self.figures)):
            document = feedback(self.id, 1, said, at=written_moment(self.ended), session_id=self.id)
            yield self.collection.redactions.call(Call(f"feedback {document['id']}", "POST", "/feedback", document))

    def baseline_call(self) -> Call:
        """Return the request that makes the experiment the one that others of its dataset are shown against."""
        dataset = self.collection.id
        document: JsonValue = {"baseline_experiment_id": self.id}
        return Call(f"baseline {dataset} {self.id}", "PATCH", f"/datasets/{dataset}", document)

    def _metadata(self) -> dict[str, JsonValue]:
        suite = self.suite
        own: dict[str, JsonValue] = {
            "experiment": self.head.id,
            "suite": suite.suite,
            "variant": suite.variant,
            "trials": self.survey.trials,
            "dataset_digest": suite.dataset_digest,
            "cassettes_digest": suite.cassettes_digest,
            "graph": suite.graph,
            "graph_fingerprint": suite.graph_fingerprint,
            "price_table": self.head.price_table,
            "selected": self.selected or None,
        }
        tools: list[JsonValue] = [{"name": name, "description": ""} for name in sorted(self.survey.tools)]
        return {
            "models": [*sorted(self.survey.models)],
            "prompts": list(self.prompts),
            "tools": tools,
            "git": {"commit": self.head.commit},
            "langgraph_harness": own,
        }
