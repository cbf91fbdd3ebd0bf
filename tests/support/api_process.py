"""`taskscope-api` as a process of its own, with a configuration of the test's."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from support.servers import free_port
from support.waiting import wait_for

START_SECONDS = 90.0


class ApiProcess:
    """A running api and its log."""

    def __init__(self, port: int, log: Path) -> None:
        self.port = port
        self.log = log
        self.url = f"http://127.0.0.1:{port}"

    def get(self, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """One request, with a bearer token if there is one."""
        headers = {**options.pop("headers", {}), **({} if token is None else {"Authorization": f"Bearer {token}"})}
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=20, **options)

    def records(self, logger: str) -> list[dict[str, Any]]:
        """What one of its loggers wrote."""
        read = (json.loads(line) for line in self.log.read_text("utf-8").splitlines() if line.startswith("{"))
        return [record for record in read if record.get("logger") == logger]

    def answers(self) -> bool:
        """Whether it serves."""
        try:
            return self.get("/livez").status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def api_process(
    folder: Path, configured: Mapping[str, Any], *, port: int | None = None, environment: Mapping[str, str] = {}
) -> Iterator[ApiProcess]:
    """An api with these settings; its port is its own."""
    port = port or free_port()
    config, log = folder / f"taskscope-{port}.yaml", folder / f"log-{port}"
    config.write_text(json.dumps({**configured, "api": {"port": port, **configured.get("api", {})}}), "utf-8")
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "taskscope_api", "--config", str(config)]
        process = subprocess.Popen(command, stderr=stream, env={**os.environ, **environment})
        try:
            api = ApiProcess(port, log)
            wait_for(lambda: api.answers() or _ended(process, log), seconds=START_SECONDS, what="the api to serve")
            yield api
        finally:
            process.terminate()
            process.wait(15)


def _ended(process: "subprocess.Popen[bytes]", log: Path) -> bool:
    assert process.poll() is None, f"the api ended: {log.read_text('utf-8')[-2000:]}"
    return False
