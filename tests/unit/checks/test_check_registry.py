"""How checks are chosen and run."""

import pytest

from harness.checks import BUILT_IN, adapt, applicable, run_checks, unchecked
from harness.dataset import FallbackExpectation, PathExpectation, StreamingExpectation, ToolsExpectation
from harness.errors import WireStop
from harness.trace import Recovery, Streaming, Trace

REHEARSED = Trace(recoveries=(Recovery(backend="memory"),), streamings=(Streaming(way="ainvoke"),))


def test_ends_and_cost_are_always_applicable(case, context):
    """A case without expectations is still asked how it ended and what it cost."""
    assert applicable(case(), context()) == ("ends", "cost")


@pytest.mark.parametrize(
    ("name", "expected", "limits"),
    [
        ("route", {"route": {"a": "b"}}, {}),
        ("path", {"path": PathExpectation(nodes=())}, {}),
        ("loops", {}, {"visits": {"a": 1}}),
        ("loops", {}, {"steps": 0}),
        ("fallback", {"fallback": FallbackExpectation(attempts=1)}, {}),
        ("tools", {"tools": ToolsExpectation(calls=())}, {}),
        ("output", {"output": {"text": None}}, {}),
        ("interrupts", {"interrupts": ()}, {}),
        ("duration", {}, {"duration_s": 1.0}),
        ("crash", {"crash": ("memory",)}, {}),
        ("streaming", {"streaming": StreamingExpectation()}, {}),
    ],
)
def test_an_expectation_or_a_limit_makes_its_check_applicable(case, context, name, expected, limits):
    """One more than always, and that one gives a score; listing other checks leaves it unchecked."""
    limits = context(**limits)
    assert set(applicable(case(**expected), limits)) == {"ends", "cost", name}
    assert name in {score.check for score in run_checks(case(**expected), REHEARSED, limits)}
    assert unchecked(case(**expected), limits, ["cost"]) == (name,)
    assert unchecked(case(**expected), limits, [name]) == ()


def test_a_limited_cost_left_out_is_named(case, context):
    """An unlimited one need not be listed."""
    assert unchecked(case(), context(), []) == ()
    assert unchecked(case(), context(tokens=5), []) == ("cost",)


def test_a_check_without_an_expectation_yields_nothing(case, context):
    """Only `ends`, `loops` and `cost` report without being asked."""
    assert [score.name for score in run_checks(case(), Trace(), context(), BUILT_IN)] == ["ends", "loops", "cost"]


def test_ends_is_always_on(case, context):
    """A config that lists other checks, or none, does not switch it off; it comes first."""
    assert [score.name for score in run_checks(case(), Trace(), context(), {})] == ["ends"]
    assert [score.name for score in run_checks(case(), Trace(), context(), {"cost": BUILT_IN["cost"], "ends": BUILT_IN["ends"]})] == [
        "ends",
        "cost",
    ]


def test_a_check_that_raises_is_unscored_and_the_others_run(case, context):
    """The reason has type, message and the last line, without addresses and folders."""

    def broken(outputs):
        message = f"cannot judge {object()!r}"
        raise ValueError(message)

    scores = run_checks(case(), Trace(), context(), {"mine": adapt("mine", broken), "cost": BUILT_IN["cost"]})
    assert [score.status for score in scores] == ["pass", "unscored", "pass"]
    reason = scores[1].reason
    assert reason.startswith("the check raised ValueError: cannot judge <object object at 0x…> (test_check_registry.py:")
    assert reason.endswith("in broken: raise ValueError(message))")


def test_a_wire_stop_is_not_swallowed(case, context):
    """A judge whose request is not on the cassette ends the trial."""

    def judge(outputs):
        raise WireStop

    with pytest.raises(WireStop):
        run_checks(case(), Trace(), context(), {"judge": adapt("judge", judge)})


def test_nothing_is_scored_twice(case, context, visited):
    """Names of scores are unique in a trial."""
    expected = {"route": {"a": "x", "b": "y"}, "output": {"text": "t", "state.a": 1}, "interrupts": ()}
    names = [score.name for score in run_checks(case(**expected), visited("a", "b"), context(tokens=1, steps=1))]
    assert len(names) == len(set(names)) == 9
