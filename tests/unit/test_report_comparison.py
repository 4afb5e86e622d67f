"""A comparison as people read it: nothing is dropped, nothing is wider than the screen, foreign text stays text."""

import json

import pytest
from trials import bad, crashed, good, paid, suite

from harness import gate
from harness.baseline import Baseline
from harness.compare import compare
from harness.difference import Difference
from harness.metric import Tally
from harness.report import comparison
from harness.report.compared import Compared, sentence
from harness.report.comparison_markdown import markdown
from harness.standing import Roll, Standings

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e|`*"


def standings(*trials):
    """Return what these trials came to."""
    roll, tally = Roll(), Tally(trials)
    for one in trials:
        roll.add(one)
    cases = roll.cases()
    return Standings(provenance=suite(len(cases)), metrics=tally.figures(), cases=cases), tally


def compared(before, after, **fields):
    """Return the comparison of these trials with its verdict."""
    (base, _), (candidate, tally) = standings(*before), standings(*after)
    verdict = gate.judge_candidate(Baseline(experiment="e1", standings=base), candidate, tally)
    return Compared(compare(base, candidate), verdict, ("e1", "e2"), **fields)


def names(count, prefix="c"):
    """Return so many case ids."""
    return [f"{prefix}{number:03d}" for number in range(count)]


@pytest.mark.parametrize("width", [80, 100, 120])
def test_it_fits_the_screen(width):
    """No line is wider than the terminal, whatever the names are."""
    long = compared(
        [good(name) for name in names(30, "a-rather-long-case-id-")],
        [bad(name) for name in names(30, "a-rather-long-case-id-")],
        differences={
            "a-rather-long-case-id-000": (Difference(kind="state", place="messages.1.content", before="x" * 160, after="y" * 160),)
        },
    )

    text = comparison.show([long], width=width)

    assert max(len(line) for line in text.splitlines()) <= width
    assert "a-rather-long-case-id-011 and 18 more" in " ".join(text.split())


def test_foreign_text_stays_text():
    """A case id or a value with markup, escapes or direction marks acts on neither the terminal nor the document."""
    one = compared(
        [good(HOSTILE)], [bad(HOSTILE)], differences={HOSTILE: (Difference(kind="text", place="", before=HOSTILE, after=HOSTILE),)}
    )

    for text in (comparison.show([one]), markdown([one])):
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "<script>" not in markdown([one])
    assert json.loads(comparison.document([one]))["suites"][0]["cases"][HOSTILE]["movement"] == "worse"
    assert comparison.document([one]).isascii()


def test_what_is_not_measured_on_either_side_is_told():
    """A case that crashes on both sides is the same, and is told apart from those that pass on both."""
    one = compared([good("a"), crashed("b")], [good("a"), crashed("b")])

    assert one.comparison.counts["same"] == 2
    for text in (comparison.show([one]), markdown([one])):
        assert "not measured on both sides: 1 crashed" in text


def test_ways_to_move_are_grouped_and_the_rest_is_counted():
    """Cases that flipped alike stand together; of more than eight ways, the others are counted."""
    before = [good(name) for name in names(30)]
    after = [
        bad(name).model_copy(update={"scores": tuple(_to(score, f"team-{number % 10}") for score in bad(name).scores)})
        for number, name in enumerate(names(30))
    ]

    text = comparison.show([compared(before, after)])

    assert text.count("3 cases: pass → fail, r: x → team-") == 8
    assert "and 6 cases that moved in other ways" in text


def _to(score, team):
    return score.model_copy(update={"detail": {**score.detail, "actual": team}}) if score.check == "route" else score


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([good("a")], [good("a")], "no case moved: 0 better, 0 worse, 1 same; so few cases cannot show any drop"),
        (
            [good("a")],
            [good("b")],
            "nothing was compared: no case was measured on both sides (0 better, 0 worse, 1 only in base, 1 only in ",
        ),
        (list(map(good, names(9))), list(map(bad, names(9))), "the candidate is worse: 0 better, 9 worse (p = 0.004); pass rate -100.0 pp"),
        (
            list(map(bad, names(9))),
            list(map(good, names(9))),
            "the candidate is better: 9 better, 0 worse (p = 0.004); pass rate +100.0 pp",
        ),
        (list(map(good, names(2))), list(map(bad, names(2))), "no difference is shown: 0 better, 2 worse (p = 0.500); pass rate -100.0 pp"),
        ([], [], "nothing was compared: no case was measured on both sides (no case at all)"),
    ],
    ids=["same", "others", "worse", "better", "few", "none"],
)
def test_the_sentence(before, after, said):
    """One sentence: what is shown, the counts, the test, the difference, the power."""
    assert sentence(compared(before, after).comparison).startswith(said)


def test_units_and_what_is_not_measured():
    """A drop of a share is in points, milliseconds are not rounded to nothing, and what neither side measured is not called unchanged."""
    quick, slow = (
        [
            paid(name, None).model_copy(update={"trace": paid(name, None).trace.model_copy(update={"duration_s": seconds})})
            for name in names(12)
        ]
        for seconds in (0.001, 0.0025)
    )

    text = " ".join(comparison.show([compared(quick, slow)]).split())

    assert "12 cases would show a true drop of 53.5 pp four times in five" in text
    assert "+0.002 s to +0.002 s" in text
    assert "measured on neither side" in text
