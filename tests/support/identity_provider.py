"""A real OpenID provider (the npm package oidc-provider) as a process of its own, and a browser that fills in its forms."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
from support.servers import free_port, unavailable
from support.waiting import wait_for

FOLDER = Path(__file__).parent / "oidc"
CLIENT, SECRET = "taskscope", "a-secret-of-the-test"
_FORM = re.compile(r'<form[^>]*action="([^"]+)"[^>]*>(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')
_ABORT = re.compile(r'href="([^"]+/abort)"')


class IdentityProvider:
    """The running provider."""

    def __init__(self, port: int, redirect_uri: str, log: Path) -> None:
        self.port = port
        self.issuer = f"http://127.0.0.1:{port}"
        self._redirect_uri = redirect_uri
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to answer."""
        with self._log.open("ab") as stream:
            command = ["node", "provider.mjs", str(self.port), self._redirect_uri]
            self._process = subprocess.Popen(command, cwd=FOLDER, stdout=stream, stderr=stream)
        wait_for(self._answers, seconds=60, what="the provider to answer")

    def kill(self) -> None:
        """As a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def rotate(self) -> str:
        """Give it other keys; their id."""
        return httpx.get(f"{self.issuer}/rotate").text

    def token(self, resource: str) -> str:
        """A JWT for a service that asks for `resource`."""
        form = {"grant_type": "client_credentials", "resource": resource}
        answered = httpx.post(f"{self.issuer}/token", data=form, auth=("robot", SECRET))
        return str(answered.json()["access_token"])

    def _answers(self) -> bool:
        assert self._process is None or self._process.poll() is None, self._log.read_text("utf-8")[-2000:]
        try:
            return httpx.get(f"{self.issuer}/jwks").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def identity_provider(folder: Path, redirect_uri: str) -> Iterator[IdentityProvider]:
    """A provider that knows one installation of Taskscope."""
    if shutil.which("node") is None or not (FOLDER / "node_modules/oidc-provider").is_dir():
        unavailable("the provider needs Node and its npm packages: make setup installs them")
    provider = IdentityProvider(free_port(), redirect_uri, folder / "provider.log")
    provider.start()
    try:
        yield provider
    finally:
        provider.kill()


class Browser:
    """Follows redirects, keeps cookies, and signs in at the provider's forms."""

    def __init__(self) -> None:
        self.client = httpx.Client(timeout=20, headers={"Accept": "text/html,*/*;q=0.8"})
        self.visited: list[str] = []

    def open(self, url: str, *, stop_at: str = "\0") -> httpx.Response:
        """Get a page; a redirect to a URL that holds `stop_at` is not followed."""
        response = self._sent(httpx.Request("GET", url))
        while response.is_redirect:
            there = urljoin(str(response.url), response.headers["location"])
            if stop_at in there:
                self.visited.append(there)
                return response
            response = self._sent(httpx.Request("GET", there))
        return response

    def _sent(self, request: httpx.Request) -> httpx.Response:
        self.visited.append(str(request.url))
        content = {"data": dict(httpx.QueryParams(request.content.decode()))} if request.method == "POST" else {}
        return self.client.request(request.method, request.url, **content)  # type: ignore[arg-type]

    def submit(self, page: httpx.Response, *, stop_at: str = "\0", **fields: str) -> httpx.Response:
        """Send the page's form, and follow where it leads."""
        form = _FORM.search(page.text)
        assert form is not None, page.text[:2000]
        hidden = {name: html.unescape(value) for name, value in _HIDDEN.findall(form[2])}
        url = urljoin(str(page.url), html.unescape(form[1]))
        response = self.client.post(url, data={**hidden, **fields})
        self.visited.append(url)
        if not response.is_redirect:
            return response
        there = urljoin(str(response.url), response.headers["location"])
        if stop_at in there:
            self.visited.append(there)
            return response
        return self.open(there, stop_at=stop_at)

    def sign_in(self, url: str, who: str, *, stop_at: str = "\0") -> httpx.Response:
        """Sign in as `who` (name+group+group) and agree to everything; the page at the end."""
        page = self.submit(self.open(url), login=who, password="x")
        return self.submit(page, stop_at=stop_at)

    def abort(self, url: str) -> httpx.Response:
        """Change one's mind at the provider."""
        page = self.open(url)
        found = _ABORT.search(page.text)
        assert found is not None, page.text[:2000]
        return self.open(urljoin(str(page.url), found[1]))
