"""Figures of the page: its size, Lighthouse, its first row, scrolling, searching, and what 2,000 events/s cost it in Chromium."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rig import HERE, Rig, Service, median, quantile, report, rig

Row = tuple[str, str, str]
WEB = Path(__file__).parents[2] / "services" / "web"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
LIGHTHOUSE = "lighthouse@12"
"""The newest that runs with Node 20. It is fetched for the bench alone."""
CATEGORIES = ("performance", "accessibility", "best-practices")
RATE = 2_000
LISTED = 100_000
TRACED_SECONDS = 20
SETTLED_SECONDS = 300


def page_size() -> list[Row]:
    """JavaScript after gzip, of what is built from the sources at hand."""
    command = ["node", str(WEB / "tests" / "sizes.mjs"), "overview", "realtime"]
    found = report(subprocess.Popen(command, stdout=subprocess.PIPE))
    views = ", ".join(f"`#{page}` {size / 1000:.1f} KB" for page, size in found["views"].items())
    return [
        ("page, JavaScript for first view, gzip", "≤ 60 KB", views),
        ("page, JavaScript of the whole app, gzip", "≤ 120 KB", f"{found['all'] / 1000:.1f} KB"),
    ]


def page_lighthouse() -> list[Row]:
    """Lighthouse's marks of the overview and of the realtime page, events arriving."""
    with _served() as it, _traffic(it, seconds=600, rate=200):
        return [_lighthouse(it, page) for page in ("overview", "realtime")]


def _lighthouse(it: Rig, page: str) -> Row:
    flags = " ".join(
        [
            "--headless=new",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            *(["--no-sandbox"] if os.getuid() == 0 else []),
        ]
    )
    options = [
        f"--only-categories={','.join(CATEGORIES)}",
        "--preset=desktop",
        "--output=json",
        "--quiet",
        f"--chrome-flags={flags}",
    ]
    command = ["npx", "--yes", LIGHTHOUSE, f"{_url(it)}#{page}", *options]
    environment = os.environ | {"CHROME_PATH": CHROMIUM}
    said = report(subprocess.Popen(command, stdout=subprocess.PIPE, env=environment))
    marks = [round((said["categories"][name]["score"] or 0) * 100) for name in CATEGORIES]
    lost = [audit["id"] for audit in said["audits"].values() if audit["score"] is not None and audit["score"] < 0.9]
    text = f"{marks[0]}, {marks[1]}, {marks[2]}" + (f" (below 90: {', '.join(lost)})" if lost else "")
    return (
        f"page, Lighthouse {said['lighthouseVersion']}, local, desktop, `#{page}`: {', '.join(CATEGORIES)}",
        "≥ 95, 100, 100",
        text,
    )


def page_first_row() -> list[Row]:
    """Navigation to the paint of the first row."""
    with _served() as it:
        took = _browser(it, "firstRow", times=21)["took"][1:]  # the first one starts the browser's own processes, too
    text = f"{median(took):.0f} ms (p95 {quantile(took, 0.95):.0f} ms; {len(took)} times)"
    return [("page, first live row after navigation, nothing cached, median", "≤ 500 ms", text)]


def page_scroll() -> list[Row]:
    """Script in each frame of scrolling through the list of 100,000 tasks."""
    with _served(tasks=LISTED) as it:
        seen = _browser(it, "scroll", pixels=30_000, speed=6_000, jumps=40)
    ways = (
        ("scrolled smoothly (6,000 px/s)", seen["smooth"]),
        ("jumping by the scroll bar (10 places a second)", seen["jumps"]),
    )
    return [(f"page, {LISTED:,} tasks {way}: script a frame, CPU time, p95", "≤ 8 ms", _frames(frames)) for way, frames in ways]


def _frames(frames: list[float]) -> str:
    return f"{quantile(frames, 0.95):.1f} ms (p50 {median(frames):.1f}, at most {max(frames):.1f} ms; {len(frames)} frames)"


def page_search() -> list[Row]:
    """From a letter typed to the rows it leaves, of 100,000 tasks."""
    with _served(tasks=LISTED) as it:
        took = _browser(it, "search", times=40)["took"]
    text = (
        f"{quantile(took, 0.95):.0f} ms (p50 {median(took):.0f} ms; {len(took)} searches, "
        f"the first since the api's start {took[0]:.0f} ms)"
    )
    return [(f"page, search in {LISTED:,} tasks: a letter typed to its rows drawn, p95", "≤ 100 ms", text)]


def page_busy() -> list[Row]:
    """What so many events a second cost the realtime page; `PAGE_SECONDS` is how long it is watched (30 min)."""
    seconds = int(os.environ.get("PAGE_SECONDS", "1800"))
    with _served() as it, _traffic(it, seconds=seconds + 120, rate=RATE):
        seen = _browser(it, "load", seconds=seconds, traced=TRACED_SECONDS)
    what = f"page, realtime, {RATE:,} events/s"
    return [
        (f"{what}: main thread busy above an empty page", "≤ 15 % of a core", _busy(seen)),
        (f"{what}: longest task", "≤ 50 ms", _longest(seen, seconds)),
        (f"{what}: growth of the heap after 5 min", "none", _heap(seen["heaps"])),
    ]


def _busy(seen: dict[str, Any]) -> str:
    idle, windows = seen["baseline"], seen["windows"]
    above = median([window["share"] for window in windows]) - idle["share"]
    most = max(window["share"] for window in windows) - idle["share"]
    cpu = median([window["cpu"] for window in windows]) - idle["cpu"]
    return (
        f"{above:.1%} (the worst window {most:.1%}; as CPU time {cpu:.1%}; the empty page {idle['share']:.1%}); "
        f"{len(windows)} windows of {TRACED_SECONDS} s, {seen['rows']} rows"
    )


def _longest(seen: dict[str, Any], seconds: int) -> str:
    traced = max(window["longest"] for window in seen["windows"])
    cpu = max(window["longestCpu"] for window in seen["windows"])
    long = [duration for _, duration in seen["long"]]
    rest = f"{len(long)} of 50 ms and more in {seconds} s" + (f", the longest {max(long):.0f} ms" if long else "")
    return f"{traced:.0f} ms in the traces ({cpu:.0f} ms of CPU time); {rest}"


def _heap(heaps: list[dict[str, float]]) -> str:
    late = [each for each in heaps if each["at"] >= SETTLED_SECONDS] or heaps
    sizes = [each["bytes"] / 1e6 for each in late]
    span = (late[-1]["at"] - late[0]["at"]) / 60
    return f"{sizes[-1] - sizes[0]:+.1f} MB in {span:.0f} min ({heaps[0]['bytes'] / 1e6:.1f} MB at first, then {sizes[0]:.1f}, at the end {sizes[-1]:.1f})"


@contextlib.contextmanager
def _served(tasks: int = 1_000) -> Iterator[Rig]:
    """`taskscope up` with its page and so many finished tasks."""
    with rig(rq=False) as it:
        command = [str(Path(sys.executable).parent / "taskscope"), "up", "--config", str(it.config), "--port", str(it.api_port)]
        it.services.append(Service(command, it.environment, it.folder / "taskscope.log"))
        it.wait(lambda: all(source["status"] == "up" for source in it.sources()) and bool(it.sources()), "sources up")
        report(it.generate(rate=10_000, tasks=tasks))
        it.wait(lambda: bool(it.get("/api/tasks?limit=1")["total"] >= tasks * 0.99), "tasks retained", 120)
        yield it


@contextlib.contextmanager
def _traffic(it: Rig, seconds: float, rate: float) -> Iterator[None]:
    events = it.generate(rate=rate, seconds=seconds, start=10_000_000)
    try:
        yield
    finally:
        events.kill()
        events.communicate()


def _url(it: Rig) -> str:
    return f"http://127.0.0.1:{it.api_port}/"


def _browser(it: Rig, what: str, **options: float) -> dict[str, Any]:
    command = ["node", str(HERE / "page_browser.mjs"), str(WEB), what, _url(it), json.dumps(options)]
    return report(subprocess.Popen(command, stdout=subprocess.PIPE))
