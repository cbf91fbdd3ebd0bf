"""What `helm test` runs in a pod of the api's image: asks the running system through its Services, as browsers and services do.

Nothing but Python's own library is used. Every check is made, and says in a line what it found; exits 1 when one failed.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10
WAIT_SECONDS = 60
"""How long a check may go on failing: right after an install a source may not have been read yet."""


class CheckError(Exception):
    """What was found is not what should be there."""


class Answer(NamedTuple):
    """Status, content type and body."""

    status: int
    kind: str
    body: str

    def json(self) -> Any:  # noqa: ANN401 - whatever was sent
        """The body as what it says."""
        return json.loads(self.body)


class Site(NamedTuple):
    """Where the api and the page are, how people say who they are, and by which token (None: without)."""

    api: str
    web: str
    mode: str
    token: str | None
    sources: tuple[str, ...]

    def ask(self, url: str, *, token: bool = True, body: str | None = None) -> Answer:
        """The answer to a GET, or to a POST of a body. Raises `CheckError` where there is none."""
        headers = {"Authorization": f"Bearer {self.token}"} if token and self.token else {}
        if body is not None:
            headers["Content-Type"] = "text/plain;charset=UTF-8"
        request = Request(url, None if body is None else body.encode(), headers)  # noqa: S310 - http, from the chart
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as reply:  # noqa: S310 - as above
                return Answer(reply.status, reply.headers.get_content_type(), reply.read().decode())
        except HTTPError as error:
            return Answer(error.code, error.headers.get_content_type(), error.read().decode())
        except (URLError, OSError) as error:
            raise CheckError(f"{url} cannot be reached: {error}") from None

    @property
    def is_known(self) -> bool:
        """Whether this may see tasks."""
        return self.mode == "none" or self.token is not None


def expect(*, right: bool, otherwise: str) -> None:
    """Raise `CheckError` unless it is right."""
    if not right:
        raise CheckError(otherwise)


def status(answer: Answer, wanted: int, what: str) -> None:
    """Raise `CheckError` unless the status is the wanted one."""
    expect(right=answer.status == wanted, otherwise=f"{what}: {answer.status}, not {wanted}: {answer.body[:300]}")


def tasks_are_listed(site: Site) -> str:
    """Whoever is known gets tasks, nobody else does."""
    if site.mode != "none":
        status(site.ask(f"{site.api}/api/tasks?limit=1", token=False), 401, "tasks without a token")
    if not site.is_known:
        return "whoever says nothing is refused (give tests.token.existingSecret, and more is tested)"
    answer = site.ask(f"{site.api}/api/tasks?limit=1")
    status(answer, 200, "tasks")
    return f"{answer.json()['total']} tasks"


def redis_is_there(site: Site) -> str:
    """The api reads what collectors write."""
    if not site.is_known:
        status(site.ask(f"{site.api}/api/session", token=False), 200, "session")
        return "not asked: no token"
    health = site.ask(f"{site.api}/api/health").json()
    expect(right=health["redis"]["status"] == "ok", otherwise=f"Redis: {health['redis']}")
    return f"version {health['version']}, Redis answers"


def sources_are_collected(site: Site) -> str:
    """Every source is held by a collector, and not down."""
    if not site.is_known:
        return "not asked: no token"
    found = {item["name"]: item for item in site.ask(f"{site.api}/api/sources?limit=500").json()["items"]}
    for name in site.sources:
        expect(right=name in found, otherwise=f"no collector has written {name} yet")
        source = found[name]
        expect(right=source["status"] != "down", otherwise=f"{name} is down: {source.get('reason')}")
        expect(right=source.get("stale") is None, otherwise=f"{name} is stale: {source.get('stale')}")
    return ", ".join(f"{name} {found[name]['status']}" for name in site.sources)


def page_is_served(site: Site) -> str:
    """The page comes from web."""
    answer = site.ask(f"{site.web}/", token=False)
    status(answer, 200, "the page")
    expect(right=answer.kind == "text/html", otherwise=f"the page is {answer.kind}")
    return f"{len(answer.body)} characters of HTML"


def web_leads_to_the_api(site: Site) -> str:
    """A port-forward to web alone gives everything."""
    answer = site.ask(f"{site.web}/api/session", token=False)
    status(answer, 200, "the api through web")
    return "web passes /api on"


def socket_io_works(site: Site) -> str:
    """A session of the stock client's polling, whose requests may reach different replicas."""
    url = f"{site.web}/socket.io/?EIO=4&transport=polling"
    opened = site.ask(url)
    status(opened, 200, "the handshake")
    session = f"{url}&sid={json.loads(opened.body[1:])['sid']}"
    status(site.ask(session, body="40"), 200, "joining")
    joined = site.ask(session)
    status(joined, 200, "the answer to joining")
    wanted = "40{" if site.is_known else "44{"
    expect(right=joined.body.startswith(wanted), otherwise=f"joining was answered by {joined.body[:300]}, not {wanted}")
    if site.is_known:
        status(site.ask(session, body="41"), 200, "leaving")
    return "a session was opened" if site.is_known else "a session of nobody was refused"


CHECKS: dict[str, Callable[[Site], str]] = {
    "health": redis_is_there,
    "tasks": tasks_are_listed,
    "sources": sources_are_collected,
    "page": page_is_served,
    "web to api": web_leads_to_the_api,
    "Socket.IO": socket_io_works,
}


def passed(name: str, check: Callable[[Site], str], site: Site) -> bool:
    """Whether the check finds what should be there before its time is over."""
    deadline = time.monotonic() + WAIT_SECONDS  # noqa: TID251 - nothing of ours is in this pod's way
    while True:
        try:
            found = check(site)
        except (CheckError, ValueError, KeyError, IndexError) as error:
            if time.monotonic() > deadline:  # noqa: TID251 - as above
                say(f"FAILED  {name}: {error}")
                return False
            time.sleep(1)
        else:
            say(f"ok      {name}: {found}")
            return True


def say(text: str) -> None:
    """One line into the pod's log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Make all checks."""
    parser = argparse.ArgumentParser()
    for name in ("api", "web", "mode", "sources"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--token-file", type=Path)
    said = parser.parse_args()
    token = said.token_file.read_text().strip() if said.token_file and said.token_file.exists() else None
    site = Site(said.api, said.web, said.mode, token, tuple(json.loads(said.sources)))
    results = [passed(name, check, site) for name, check in CHECKS.items()]
    raise SystemExit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
