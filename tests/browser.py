"""A real browser for the tests: the machine's own Chromium, without a screen."""

import contextlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRED = "HARNESS_REQUIRE_BROWSER"  # set where the tests may not be skipped
PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
PACKAGES = ("playwright", "axe_playwright_python")
PATIENCE_MS = 120_000  # for a machine that is busy with other things


def require() -> str:
    """Return the browser's program; skip the test where there is none, or fail it where there has to be one."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None] + ([] if program else ["chromium"])
    if absent and os.environ.get(REQUIRED):
        pytest.fail(f"{REQUIRED} is set, but {', '.join(absent)} is not installed: pip install '.[browser]', and chromium", pytrace=False)
    if absent or program is None:
        pytest.skip(f"{', '.join(absent)} is not installed: pip install '.[browser]', and chromium")
    return program


class Reader:
    """Someone who opens a report: what the browser complained of and what it asked for are noted."""

    def __init__(self, browser, path: Path):
        self._browser = browser
        self._path = path
        self.complaints: list[str] = []
        self.requests: list[str] = []

    def write(self, text: str) -> None:
        """Keep a report where the browser finds it."""
        self._path.write_text(text, "utf-8")

    def open(self, place: str = "", *, width: int = 1280, **context):
        """Open the report at a place of it, and wait until it is there."""
        page = self._browser.new_context(viewport={"width": width, "height": 900}, **context).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(f"{self._path.as_uri()}{place}")
        if context.get("java_script_enabled", True):
            page.wait_for_selector("html[data-ready]")
        return page

    def close(self) -> None:
        """Close every page."""
        for context in self._browser.contexts:
            context.close()

    @property
    def asked_elsewhere(self) -> list[str]:
        """Return the requests that were not for the report itself."""
        return [url for url in self.requests if url.partition("#")[0] != self._path.as_uri()]


@contextlib.contextmanager
def running() -> Iterator[object]:
    """Yield a browser."""
    program = require()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE_MS)
        yield browser
        browser.close()
