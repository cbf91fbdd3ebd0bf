"""Chromium with the dashboard, by Playwright in a node process (`browser.mjs`)."""

import itertools
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.kube.needs import ROOT, chromium
from support.waiting import wait_for

WEB = ROOT / "services" / "web"
SCRIPT = Path(__file__).with_suffix(".mjs")


class PageError(AssertionError):
    """The browser did not do what it was asked for."""


class Row(NamedTuple):
    """A row of the table. `percent` is -1 without a progress bar."""

    key: str
    text: str
    percent: float


class Page:
    """One tab, in a browser context of its own."""

    def __init__(self, browser: "Browser", name: str) -> None:
        self._browser = browser
        self._name = name

    def sign_in(self, token: str) -> None:
        """By the form."""
        self._ask("sign_in", token)

    def go(self, url: str) -> None:
        """To another address, in the same tab."""
        self._ask("go", url)

    def status(self) -> str:
        """The word of the connection indicator."""
        return str(self._ask("status"))

    def rows(self) -> list[Row]:
        """What the table shows now."""
        return [Row(**row) for row in self._ask("rows")]

    def text(self) -> str:
        """Everything that can be read on it."""
        return str(self._ask("text"))

    def evaluate(self, expression: str) -> Any:
        """A JavaScript expression on the page."""
        return self._ask("evaluate", expression)

    def picture(self, path: Path) -> None:
        """A screenshot."""
        self._ask("picture", str(path))

    def problems(self) -> list[str]:
        """Exceptions, and what a Content-Security-Policy refused."""
        found: list[str] = self._ask("problems")
        return found

    def sockets(self) -> list[dict[str, Any]]:
        """Each WebSocket: `url`, `opened`, `closed` and the times of its `frames`, in epoch seconds."""
        found: list[dict[str, Any]] = self._ask("sockets")
        return found

    def requests(self) -> list[tuple[int, str]]:
        """Status and URL of every answer."""
        return [(status, url) for status, url in self._ask("requests")]

    def longest_silence(self, since: float, until: float) -> float:
        """Seconds between two frames of any of its WebSockets, between two times (epoch seconds)."""
        frames = sorted(at for socket in self.sockets() for at in socket["frames"] if since < at < until)
        times = [since, *frames, until]
        return max(after - before for before, after in itertools.pairwise(times))

    def wait_live(self, seconds: float = 20.0) -> None:
        """Until the indicator says Live."""
        wait_for(lambda: self.status() == "Live", seconds=seconds, what="the page to be live", every=0.1)

    def wait_for_growth(self, seconds: float = 20.0) -> Row:
        """A row whose progress bar grew while we looked: what the page shows is alive."""
        first: dict[str, float] = {}

        def grown() -> Row | None:
            now = [row for row in self.rows() if row.percent >= 0]
            for row in now:
                first.setdefault(row.key, row.percent)
            return next((row for row in now if row.percent > first[row.key]), None)

        found = wait_for(grown, seconds=seconds, what="a progress bar to grow", every=0.2)
        assert found is not None
        return found

    def close(self) -> None:
        """Close the tab."""
        self._ask("close")

    def _ask(self, command: str, *arguments: Any) -> Any:
        return self._browser.ask(self._name, command, *arguments)


class Browser:
    """A running Chromium."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._numbers = itertools.count(1)

    def open(self, url: str) -> Page:
        """A new tab at `url`."""
        name = f"page-{next(self._numbers)}"
        self.ask(name, "open", url)
        return Page(self, name)

    def ask(self, page: str, command: str, *arguments: Any) -> Any:
        """One command. Raises `PageError`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([next(self._numbers), page, command, *arguments]) + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        """The answer to the last command."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the browser ended"
        _, error, answer = json.loads(line)
        if error is not None:
            raise PageError(error)
        return answer


@contextmanager
def started(addresses: Mapping[str, str]) -> Iterator[Browser]:
    """Chromium; it finds the hosts of `addresses` there."""
    assert (WEB / "node_modules" / "playwright-core").is_dir(), "services/web/node_modules is missing: make setup"
    assert Path(chromium()).exists(), f"there is no {chromium()}: make chromium, or name one in CHROMIUM"
    rules = ", ".join(f"MAP {name} {address}" for name, address in addresses.items())
    command = ["node", str(SCRIPT), str(WEB), chromium(), rules]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        browser = Browser(process)
        try:
            assert browser.answer() == "ready"
            yield browser
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
