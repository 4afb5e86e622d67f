"""Where to look first: the step of a trial that shows why it is not a pass, and the first step at which two trials part."""

from collections.abc import Iterator

from harness.coverage import END
from harness.experiment import Trial
from harness.schema import Value, canonical_json
from harness.trace import NodeStep, Place, Trace


class Divergence(Value):
    """The first place where two trials differ: an index into the steps of each (one past the end where one is shorter), and in what."""

    step: int
    base_step: int
    what: str


def suspect(trial: Trial) -> int | None:
    """Return the index of the step to look at, of a miss, a crash, a wrong decision or an error; None where none is named."""
    return next((index for index in _suspects(trial) if index is not None), None)


def _suspects(trial: Trial) -> Iterator[int | None]:
    steps = trial.trace.steps
    yield from (_at(steps, miss.place) for miss in trial.misses)
    yield from (_at(steps, attempt.place) for attempt in trial.live)
    if trial.outcome != "pass":
        crash = trial.trace.crash
        yield from (_visit(steps, crash.node) for crash in (crash,) if crash and crash.node)
        routers = (score.detail.get("router") for score in trial.scores if score.check == "route" and score.status == "fail")
        yield from (_visit(steps, str(router)) for router in routers)
        yield from (index for index, step in enumerate(steps) if step.error)


def _at(steps: tuple[NodeStep, ...], place: Place) -> int | None:
    exact = next((index for index, step in enumerate(steps) if step.place == place), None)
    return _visit(steps, place.node) if exact is None and place.node else exact


def _visit(steps: tuple[NodeStep, ...], node: str) -> int | None:
    """Return the first visit of a node, plain or qualified."""
    return next((index for index, step in enumerate(steps) if node in {step.place.node, name_of(step.place)}), None)


def router_step(trial: Trial, router: str) -> int | None:
    """Return the index of the step in which a router decided."""
    return _visit(trial.trace.steps, router)


def divergence(base: Trace, candidate: Trace) -> Divergence | None:
    """Return where two traces part: another node, other tools, another choice, another update; None where every step is the same."""
    for index, (before, after) in enumerate(zip(base.steps, candidate.steps, strict=False)):
        what = _differs(base, before, candidate, after)
        if what:
            return Divergence(step=index, base_step=index, what=what)
    shared = min(len(base.steps), len(candidate.steps))
    if len(base.steps) != len(candidate.steps):
        longer, word = (candidate, "goes on") if len(candidate.steps) > shared else (base, "stops")
        return Divergence(step=shared, base_step=shared, what=f"it {word} where the other does not: {name_of(longer.steps[shared].place)}")
    return None


def _differs(base: Trace, before: NodeStep, candidate: Trace, after: NodeStep) -> str:
    old, new = name_of(before.place), name_of(after.place)
    if old != new:
        return f"node {new} instead of {old}"
    if _tools(base, before) != _tools(candidate, after):
        return "other tool calls"
    if before.chosen != after.chosen:
        return f"it chose {_choice(after)} instead of {_choice(before)}"
    if before.error != after.error:
        return f"error {after.error or 'none'} instead of {before.error or 'none'}"
    if before.update_digest == after.update_digest and before.update_digest is not None:
        return ""
    changed = _changed_keys(before, after)
    return f"it wrote another {changed}" if changed else ""


def _choice(step: NodeStep) -> str:
    return ", ".join("END" if node == END else node for node in step.chosen) or "nothing"


def _changed_keys(before: NodeStep, after: NodeStep) -> str:
    old, new = before.update, after.update
    if isinstance(old, dict) and isinstance(new, dict):
        return ", ".join(key for key in sorted({*old, *new}) if canonical_json(old.get(key)) != canonical_json(new.get(key)))
    return "update" if canonical_json(old) != canonical_json(new) else ""


def _tools(trace: Trace, step: NodeStep) -> list[str]:
    return [canonical_json([tool.name, tool.args]) for tool in trace.tools if tool.place == step.place]


def name_of(place: Place) -> str:
    """Return the name of a node with those of the subgraphs around it."""
    return "/".join((*place.namespace, place.node or ""))
