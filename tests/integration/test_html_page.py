"""The HTML report in a real browser: it loads, says what a reviewer must know, and every control works."""

import itertools
import re

import browser
import pytest
import reported

from harness.coverage import Edge, Shape
from harness.report.html import html
from harness.trace import NodeStep, Place, ToolRequest

VIEWS = {
    "decision": "#/",
    "suite": "#/suite/desk",
    "trials": "#/trials",
    "case": "#/case/desk/case-1/1",
}

SEEN = {"decision": "h1 >> text=desk failed", "suite": "h2 >> text=Metrics", "trials": ".trials", "case": "#step-1"}

CASES, STATUS = ".trials tbody a", "[role=status]"


def sees(page, selector, text):
    """Wait until the elements of a selector have this text, or these."""
    from playwright.sync_api import expect

    expect(page.locator(selector)).to_have_text(text, timeout=browser.PATIENCE_MS)


@pytest.fixture(scope="module")
def chromium():
    """Return a browser, started once for all tests of this file; skip where there is none."""
    with browser.running() as running:
        yield running


@pytest.fixture
def reader(chromium, tmp_path):
    """Return a reader whose browser complained of nothing and asked no server for anything."""
    reading = browser.Reader(chromium, tmp_path / "report.html")
    yield reading
    reading.close()
    assert reading.complaints == []
    assert reading.asked_elsewhere == []


@pytest.fixture
def regression(reader):
    """Return a reader with the report of a desk that got worse, its baseline's transcripts in it."""
    reader.write(reported.page(before=reported.GOOD, stored=reported.GOOD))
    return reader


@pytest.mark.parametrize("place", VIEWS.values(), ids=VIEWS)
def test_a_view_loads_in_silence_and_is_accessible(regression, place):
    """Each view opens from a file without a complaint or a request, and axe finds no violation, in the light and in the dark."""
    from axe_playwright_python.sync_playwright import Axe

    found = {scheme: Axe().run(regression.open(place, color_scheme=scheme)).response["violations"] for scheme in ("light", "dark")}

    assert {
        scheme: [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] for scheme, violations in found.items()
    } == {
        "light": [],
        "dark": [],
    }


def test_a_reviewer_finds_case_step_and_prompt_with_one_click(regression):
    """The first view tells the worse cases and the changed prompt; a click on a case leads to the step at which it parted."""
    page = regression.open()
    assert page.inner_text("h1") == "desk failed"
    assert page.locator(".diff .went").all_inner_texts() == ["−\nBe exact."]  # noqa: RUF001, as it is printed
    assert page.locator(".moved li").first.inner_text().startswith("▼ worse case-1: pass → fail")

    page.click(".moved a >> text=case-1")
    page.wait_for_selector("#step-1")

    assert page.inner_text("h1").endswith("case-1")
    assert "First divergence: it chose billing instead of technical" in page.inner_text("#step-1")
    assert page.locator("#step-1 .side").all_inner_texts() == ["Baseline", "Now"]
    assert "Guess." in page.inner_text(".diff")


def test_a_cell_of_the_matrix_leads_to_its_trials(regression):
    """A click on a wrong decision shows exactly the trials of which it was made."""
    page = regression.open(VIEWS["suite"])
    page.click("[aria-label='2 trials: technical expected, billing taken']")

    sees(page, CASES, ["case-1", "case-3"])


def test_an_edge_of_the_graph_leads_to_its_trials(regression):
    """The graph says how many trials took an edge, marks the one that none took, and leads to the trials."""
    page = regression.open(VIEWS["suite"])
    assert page.locator(".graph a.none").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))") == [
        "classify → technical: 0 trials",
        "classify → legal: 0 trials",
        "technical → END: 0 trials",
        "legal → END: 0 trials",
    ]
    page.click(".graph [aria-label='classify → billing: 4 trials']")

    sees(page, STATUS, "4 of 4 trials")


def test_what_was_not_seen_is_unknown_and_not_nothing(reader):
    """Of an agent that ran elsewhere, steps, calls, tokens and cost are unknown, never 0."""
    bare = {"steps": (), "calls": (), "state": None, "text": None, "duration_s": None}
    elsewhere = reported.trial("case-0", "billing", "technical", **bare, unseen=("steps", "calls", "tools", "states"))
    reader.write(reported.page((elsewhere,), suites=(reported.provenance(cases=1, shape=Shape(unknown="no graph")),)))
    page = reader.open(VIEWS["suite"])
    assert "Unknown: cost unknown in 1 of 1 trial" in page.inner_text("main")
    assert "Unknown: no trial tells its steps." in page.inner_text("main")

    page = reader.open("#/case/desk/case-0/1")
    assert page.inner_text(".facts").endswith("steps unknown · model calls unknown · tokens unknown · cost unknown · time unknown")


def test_the_path_of_a_trial_is_drawn_on_the_graph(regression):
    """On the page of a trial, the nodes and edges that it took stand out, and the suspect one."""
    page = regression.open(VIEWS["case"])

    assert page.locator(".way.on").count() == 3
    assert page.locator(".box.suspect + text").inner_html() == "classify"


def test_trials_are_searched_filtered_and_sorted(regression):
    """Search, outcome and order work together, and the address keeps them."""
    page = regression.open(VIEWS["trials"])
    page.fill("input[type=search]", "CASE")
    page.select_option("label:has-text('Outcome') select", "not pass")
    page.click("thead button >> text=case")
    page.wait_for_selector("th[aria-sort=ascending]")
    page.click("thead button >> text=case")
    sees(page, CASES, ["case-3", "case-1"])
    sees(page, "th[aria-sort=descending]", "case ↓")
    address = page.url

    page.click("text=Clear")
    sees(page, STATUS, "4 of 4 trials")
    sees(regression.open(f"#{address.partition('#')[2]}"), CASES, ["case-3", "case-1"])


def test_the_table_is_used_without_a_mouse(regression):
    """A slash searches, arrows and End move from row to row, Enter opens the trial."""
    page = regression.open(VIEWS["trials"])
    page.keyboard.press("/")
    page.wait_for_selector("input:focus")
    page.keyboard.type("case")
    page.focus(".frame")
    for key, row in (("ArrowDown", 1), ("End", 3), ("ArrowUp", 2)):
        page.keyboard.press(key)
        page.wait_for_selector(f"tr.active[data-row='{row}'] a:focus")
    page.keyboard.press("Enter")

    page.wait_for_selector("h1 >> text=case-2")


def test_a_link_leads_straight_to_a_case(reader):
    """An address names suite, case and repeat, whatever is in the case's name; one that is not there is said to be missing."""
    odd = "a/b? #c%20&é"
    reader.write(reported.page((reported.trial(odd, "billing", "technical"),)))
    place = "#/case/desk/a%2Fb%3F%20%23c%2520%26%C3%A9/1"

    assert reader.open(place).inner_text("h1").endswith(odd)
    assert reader.open("#/case/desk/none/1").inner_text("h1") == "No such trial"
    assert reader.open("#/case/desk/%/1").inner_text("h1") == "No such trial"


def test_hostile_texts_are_shown_as_texts(reader):
    """Tags, control characters and direction marks of any field act on nothing; what cannot be printed is written as an escape."""
    reader.write(html(reported.hostile()))
    page = reader.open()
    pages = [page]
    page.click(".moved a >> nth=0")
    page.wait_for_selector("#step-1")
    seen = page.inner_text("main")
    for fold in ("Messages", "Answer"):
        page.click(f".told >> text={fold}")
        told = page.locator(".told", has_text=fold).inner_text()
        assert reported.HOSTILE[:60] in told
        assert "\\u202egnp.exe" in told
    page.click("text=/Show [0-9,]+ more characters/")
    page.wait_for_selector("text=Show less")
    assert page.locator("pre", has_text="xxxx").evaluate_all("all => Math.max(...all.map(one => one.textContent.length))") == 1_000_000

    suite = reader.open()
    suite.click("header >> text=Figures")
    suite.wait_for_selector("nav a[aria-current] >> text=Figures")
    pages.append(suite)
    pages.append(reader.open("#/trials"))
    assert '</script><script>document.title="owned"</script><img src=x onerror=alert(1)>' in seen
    assert "\\x00\\x07\\x1b[31m\\u202egnp.exe\\u2066\\u200f" in seen
    assert [re.search("owned$", each.title()) for each in pages] == [None] * 3
    assert [each.locator("img").count() for each in pages] == [0, 0, 0]
    assert not any(mark in each.content() for each, mark in itertools.product(pages, "\u202e\u2066"))


def test_a_call_unfolds_to_its_messages_and_its_answer(reader):
    """On the page of a trial each call holds what the model was asked, its system prompt first, and what it said, folded."""
    said = reported.exchange({"role": "user", "content": "My invoice is wrong."}, content="billing", refusal="Not that.")
    evidence = reported.evidence((reported.heard(said, tool_requests=(ToolRequest(name="lookup", args={"id": 7}),)),))
    reader.write(html(evidence._replace(played_of=lambda _: (said,))))
    page = reader.open("#/case/desk/case-0/1")
    page.wait_for_selector("#step-1 .told")
    assert page.locator(".told dd").evaluate_all("all => all.map(one => one.checkVisibility())") == [False] * 5

    page.click("#step-1 >> text=Messages")
    page.click("#step-1 >> text=Answer")
    assert page.locator(".told dt").all_inner_texts() == ["system", "user", "text", "refusal", "tool call"]
    assert page.locator(".told dd").all_inner_texts() == [
        "Sort the ticket.",
        "My invoice is wrong.",
        "billing",
        "Not that.",
        'lookup({"id":7})',
    ]


def test_calls_of_other_cassettes_are_told_without_their_messages(reader):
    """Where the cassettes are not those of the experiment, one line says so, and no call unfolds."""
    reader.write(html(reported.evidence(reported.GOOD)._replace(unplayed={"desk": "the cassettes are others"})))
    page = reader.open("#/case/desk/case-0/1")

    page.wait_for_selector("text=Of the model calls: the cassettes are others.")
    page.wait_for_selector("#step-1 .call")
    assert page.locator(".told").count() == 0


def test_messages_that_are_left_out_say_how_to_see_them(reader, monkeypatch):
    """Where messages find no room, the page of the trial names the command that tells them, and the footer how many."""
    monkeypatch.setattr("harness.report.html.transcripts.TRANSCRIPT_LIMIT", 2_000)
    said = reported.exchange({"role": "user", "content": "x" * 1_900}, content="y" * 1_900)
    reader.write(html(reported.evidence((reported.heard(said),))._replace(played_of=lambda _: (said,))))
    page = reader.open("#/case/desk/case-0/1")

    page.wait_for_selector(f"code >> text=harness show {reported.NOW} case-0 --whole")
    assert "what the models were asked and said is left out of 1 trial for size" in page.inner_text("footer")


def test_going_back_leads_to_where_the_reader_was(reader):
    """A new view begins at its top; back from a trial, the page and the table stand as they were left."""
    reader.write(reported.page(tuple(reported.trial(f"case-{number:03d}", "billing", "technical") for number in range(300))))
    page = reader.open("#/trials")
    page.evaluate("document.querySelector('.frame').scrollTop = 3000")
    page.wait_for_selector(".trials a >> text=case-105")
    page.set_viewport_size({"width": 1280, "height": 300})
    page.evaluate("scrollTo(0, 40)")
    page.wait_for_function("scrollY === 40")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    before = page.evaluate("[scrollY, document.querySelector('.frame').scrollTop]")
    page.locator(".trials a", has_text="case-105").evaluate("link => link.click()")
    page.wait_for_selector("#step-1")
    assert page.evaluate("scrollY") == 0

    page.go_back()
    page.wait_for_selector(".trials a >> text=case-105")
    assert page.evaluate("[scrollY, document.querySelector('.frame').scrollTop]") == before
    assert before == [40, 3000]


def test_the_theme_follows_the_system_and_the_switch(regression):
    """In the dark the page is dark, and the switch goes from auto to light to dark."""
    page = regression.open(color_scheme="dark")
    ground = "getComputedStyle(document.body).backgroundColor"
    colours = [page.evaluate(ground)]
    for theme in ("light", "dark", "auto"):
        page.click("button.switch")
        page.wait_for_selector(f"html[data-theme={theme}]")
        colours.append(page.evaluate(ground))

    dark, light = "rgb(18, 22, 28)", "rgb(255, 255, 255)"
    assert colours == [dark, light, dark, dark]


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_no_view_is_wider_than_the_screen(regression, width):
    """On a telephone, a tablet and a desk, nothing but a table or the graph scrolls sideways."""
    page = regression.open(width=width)
    widths = {}
    for name, place in VIEWS.items():
        page.evaluate("place => { location.hash = place }", place)
        page.wait_for_selector(SEEN[name])
        widths[name] = page.evaluate("document.documentElement.scrollWidth")

    assert widths == dict.fromkeys(VIEWS, width)


def test_paper_shows_what_the_screen_folds(regression):
    """For print, details are open, and controls and navigation are gone."""
    page = regression.open(VIEWS["case"])
    page.wait_for_selector("#step-1")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")

    sees(page, "details:not([open])", [])
    assert [page.is_visible(one) for one in ("header nav", "button.switch", "nav.neighbours", "#step-1")] == [False, False, False, True]


def test_paper_is_light_whatever_the_screen_is(regression):
    """Printed from a dark screen, lines that went and came are dark on light, and no colour of the dark stays."""
    page = regression.open(VIEWS["case"], color_scheme="dark")
    page.wait_for_selector("#step-1")
    page.emulate_media(media="print", color_scheme="dark")
    for theme in ("auto", "light", "dark"):
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        shown = page.evaluate("['.diff .went', 'body'].map(one => getComputedStyle(document.querySelector(one)).backgroundColor)")
        assert shown == ["rgb(251, 227, 225)", "rgb(255, 255, 255)"]


def test_a_node_that_leads_to_itself_keeps_its_label_apart(reader):
    """No label of an edge lies on another one, those of loops neither."""
    ways = ("agent", "agent"), ("agent", "tools"), ("tools", "agent"), ("agent", "__end__"), ("__start__", "agent"), ("tools", "tools")
    edges = tuple(Edge(source=source, target=target, labels=("x",)) for source, target in ways)
    reader.write(reported.page(suites=(reported.provenance(shape=Shape(edges=edges)),)))
    page = reader.open(VIEWS["suite"])
    page.wait_for_selector(".graph .plate")

    plates = page.locator(".graph .plate").evaluate_all(
        "all => all.map(one => { const b = one.getBoundingClientRect(); return [b.x, b.y, b.right, b.bottom] })"
    )
    over = [
        (one, other)
        for one, other in itertools.combinations(plates, 2)
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    ]
    assert len(plates) == 6
    assert over == []


def test_without_scripts_a_line_says_so(regression):
    """Where scripts are off, the page is no blank."""
    assert "scripts are off" in regression.open(java_script_enabled=False).inner_text("main")


def test_twenty_thousand_trials_are_one_small_file(reader):
    """The file is below 10 MB, the page holds only the rows in sight, and a search finds one trial of all."""
    words = [f"{number * 7919 % 104729:x}" for number in range(20_000)]
    trials = tuple(
        one.model_copy(
            update={"case": f"case-{number:05d}", "trace": one.trace.model_copy(update={"text": f"{word} {word[::-1]} {number}"})}
        )
        for number, (word, one) in enumerate(zip(words, itertools.cycle(reported.WORSE), strict=False))
    )
    text = reported.page(trials)
    reader.write(text)
    page = reader.open("#/trials")

    assert len(text.encode()) <= 10_000_000
    sees(page, STATUS, "20,000 of 20,000 trials")
    assert page.locator(".trials tbody tr").count() <= 80
    page.fill("input[type=search]", "case-19999")
    sees(page, CASES, ["case-19999"])
    page.fill("input[type=search]", "")
    sees(page, STATUS, "20,000 of 20,000 trials")
    page.focus(".frame")
    page.keyboard.press("End")
    page.wait_for_selector(".trials a >> text=case-19999")


def test_a_transcript_that_is_left_out_says_how_to_see_it(reader, monkeypatch):
    """The page of a passing trial without transcript names the command that tells it."""
    monkeypatch.setattr("harness.report.html.transcripts.TOTAL_LIMIT", 1)
    reader.write(reported.page(reported.GOOD))
    page = reader.open("#/case/desk/case-0/1")

    page.wait_for_selector(f"code >> text=harness show {reported.NOW} case-0")
    assert "4 of them are left out for size" in page.inner_text("footer")


def test_failing_transcripts_that_find_no_room_are_told(reader, monkeypatch):
    """Where failing trials alone burst the limit, the page says how many it lacks, and each of them what tells it, quoted for a shell."""
    monkeypatch.setattr("harness.report.html.transcripts.TOTAL_LIMIT", 1)
    reader.write(reported.page((reported.trial("it's $HOME", "billing", "technical"),)))
    page = reader.open("#/case/desk/it's%20%24HOME/1")

    page.wait_for_selector("code >> text=harness show")
    assert page.inner_text("code >> text=harness show") == f"harness show {reported.NOW} 'it'\"'\"'s $HOME'"
    assert "those of 1 trial that did not pass are left out" in page.inner_text("footer")


def test_a_stale_case_is_not_called_worse(reader):
    """What found no answer cannot be compared: the first view says so, and claims nothing got worse."""
    stale = tuple(one.model_copy(update={"outcome": "stale", "scores": ()}) for one in reported.WORSE)
    reader.write(reported.page(stale, before=reported.GOOD, stored=reported.GOOD))
    page = reader.open()

    assert "What cannot be compared: 4 cases" in page.inner_text("main")
    assert "What got worse" not in page.inner_text("main")
    assert "it chose" not in page.inner_text("main")


def test_a_repeat_is_not_claimed_to_stand_as_it_stood(reader):
    """The second trial of a case that got worse says so; only a case that did not move is said to stand as it stood."""
    again = tuple(one.model_copy(update={"repeat": 2}) for one in reported.WORSE)
    reader.write(reported.page((*reported.WORSE, *again), before=reported.GOOD))
    page = reader.open("#/case/desk/case-1/2")
    assert "worse Against the baseline, over all trials of the case: pass → 2 fail." in page.inner_text("main")

    assert "the case stands as it stood" not in page.inner_text("main")


def test_the_table_filters_by_what_moved_and_by_what_did_not(regression):
    """The baseline's column holds every case, those that stand as they stood too."""
    page = regression.open(VIEWS["trials"])
    page.select_option("label:has-text('Baseline') select", "same")
    sees(page, CASES, ["case-0", "case-2"])
    page.select_option("label:has-text('Baseline') select", "worse")
    sees(page, CASES, ["case-1", "case-3"])


def test_what_a_list_holds_is_not_said_to_be_overwritten(reader):
    """A reducer may add to a list: a second write of one is no removal of the first; nodes of one superstep do not overwrite each other."""
    places = [Place(node=name, step=step, visit=1) for name, step in (("classify", 1), ("billing", 2), ("technical", 2))]
    updates: list[dict[str, object]] = [{"messages": ["one"], "team": "a"}, {"messages": ["two"], "team": "b"}, {"team": "c"}]
    steps = tuple(NodeStep(place=place, update=update) for place, update in zip(places, updates, strict=True))
    reader.write(reported.page((reported.trial("case-0", "billing", "technical", steps=steps),)))
    page = reader.open("#/case/desk/case-0/1")
    page.wait_for_selector("#step-3")
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")

    assert page.locator("#step-2 .went, #step-3 .went").all_inner_texts() == ["−\na", "−\na"]  # noqa: RUF001, as it is printed
    assert page.locator(".hint code", has_text="--states").inner_text() == f"harness show {reported.NOW} case-0 --states"
