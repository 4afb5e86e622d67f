"""A LangSmith for tests, the double or the hosted one: what is read from it, which it may show a little later, and how it is left clean."""

import datetime as dt
import os
import time
import uuid
import warnings
from dataclasses import dataclass
from decimal import Decimal
from functools import partial

from langsmith import Client
from langsmith.utils import LangSmithError, LangSmithNotFoundError
from letters import AGENT, RULES, case

LOOKS = 60
"""So many times, a second apart, the hosted service is looked at before a test gives up: it counts after it has taken."""

REMOVALS = 8
"""So many times the removal of one thing is tried, for deletions are few a minute there."""


@dataclass(frozen=True)
class Service:
    """A LangSmith by its client, the hosted one or the double; `name` is the dataset that a test may make there."""

    client: Client
    name: str
    is_hosted: bool

    @property
    def dollars_apart(self):
        """Return how far sums of dollars may be from those of the harness: nothing, but for how the hosted service stores them."""
        return Decimal("1e-9") if self.is_hosted else Decimal(0)

    @property
    def path(self):
        """Return the file of the dataset."""
        return f"datasets/{self.name}.jsonl"

    def shown(self, read, is_whole):
        """Return what is read once it is whole, or what there is of it in the end."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the SDK announces newer routes
            for look in range(LOOKS if self.is_hosted else 1):
                time.sleep(1.0 if look else 0.0)
                found = read()
                if is_whole(found):
                    break
        return found

    def project(self, session, tokens=None):
        """Return an experiment, once so many tokens are counted."""
        return self.shown(
            lambda: self.client.read_project(project_id=session, include_stats=True), lambda found: tokens in {None, found.total_tokens}
        )

    def runs(self, session, count, **selected):
        """Return the runs of an experiment, once they are so many."""
        return self.shown(lambda: list(self.client.list_runs(project_id=session, **selected)), lambda found: len(found) == count)

    def roots(self, session, count):
        """Return the root runs of an experiment by case, once they are so many."""
        return {run.extra["metadata"]["case"]: run for run in self.runs(session, count, is_root=True)}

    def feedback(self, count, **selected):
        """Return feedback, once it is so many."""
        return self.shown(lambda: list(self.client.list_feedback(**selected)), lambda found: len(found) == count)

    def examples(self, **selected):
        """Return the examples of the dataset by case."""
        found = self.client.list_examples(dataset_name=self.name, **selected)
        return {example.metadata["langgraph_harness"]["case"]: example for example in found}

    def dataset(self):
        """Return the dataset as the API tells of it; the SDK leaves its baseline out."""
        known = self.client.read_dataset(dataset_name=self.name)
        return self.client.request_with_retries("GET", f"/datasets/{known.id}").json()

    def experiments(self):
        """Return the experiments over the dataset."""
        return list(self.client.list_projects(reference_dataset_name=self.name))

    def remove(self):
        """Remove the dataset and the experiments over it, as far as they are there; say what could not be removed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not self.client.has_dataset(dataset_name=self.name):
                return
            dataset = self.client.read_dataset(dataset_name=self.name)
            projects = [str(project.id) for project in self.client.list_projects(reference_dataset_id=dataset.id)]
            left = [project for project in projects if not _is_removed(partial(self.client.delete_project, project_id=project))]
            if not _is_removed(partial(self.client.delete_dataset, dataset_id=dataset.id)):
                left.append(self.name)
        assert left == [], f"still at {self.client.api_url}: {left}"


def _is_removed(remove):
    """Tell whether a thing is gone, after as many attempts as the service may want."""
    for attempt in range(REMOVALS):
        time.sleep(min(2.0**attempt, 30.0) if attempt else 0.0)
        try:
            remove()
        except LangSmithNotFoundError:
            return True
        except LangSmithError:
            continue
        return True
    return False


def service_here(*, is_hosted):
    """Return the LangSmith of the environment; in the hosted one with a name that no other test has."""
    client = Client(
        api_url=os.environ.get("LANGSMITH_ENDPOINT"), api_key=os.environ["LANGSMITH_API_KEY"], auto_batch_tracing=False, info={}
    )
    return Service(client, f"langgraph-harness-{uuid.uuid4() if is_hosted else 'double'}", is_hosted)


def play(world, path="datasets/agent.jsonl", *, cases=6):
    """Make a project whose suite of so many cases was run on its cassettes; from the fifth on they are wrong."""
    world.write("agent.py", AGENT)
    world.suite('routes.classify = "kind"')
    world.edit("harness.toml", "datasets/agent.jsonl", path)
    right = [{**case(number), "tags": ["odd"] if number % 2 else ["even"]} for number in range(min(cases, 4))]
    wrong = [{**case(number), "expected": {"route": {"classify": "nothing"}}} for number in range(4, cases)]
    world.cases(*right, *wrong, name=path)
    world.record(RULES)
    assert world.harness("run").code == (1 if wrong else 0)


def push(world, *arguments):
    """Push the latest experiment, and return the ids of the experiments that it became."""
    answer = world.harness("push", *arguments)
    assert (answer.code, answer.err) == (0, "")
    return [line.partition("selectedSessions=")[2][:36] for line in answer.out.splitlines()]


def of_utc(moment):
    """Return a time of the SDK, which leaves out that it is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
