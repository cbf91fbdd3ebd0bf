"""`make screenshots`: the pictures of README and docs, of the demo with its real workers.

The demo runs for `MINUTES` first, so that series, failures and long tasks are there to be seen.
"""

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from taskscope_shared.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "docs" / "images"
MINUTES = 6.0
READY_SECONDS = 120.0


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(url: str, demo: subprocess.Popen[bytes]) -> None:
    """Return when the demo answers. Raises `SystemExit` when it ends before, or takes longer than `READY_SECONDS`."""
    clock = SystemClock()
    end = clock.monotonic() + READY_SECONDS
    while clock.monotonic() < end:
        if demo.poll() is not None:
            raise SystemExit(f"the demo ended with {demo.returncode}")
        try:
            urllib.request.urlopen(f"{url}readyz", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
        else:
            return
    raise SystemExit(f"the demo was not ready after {READY_SECONDS:.0f} s")


def main() -> int:
    """Run the demo and take all pictures of it; the exit code is that of the script that takes them."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else MINUTES
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    demo = subprocess.Popen([sys.executable, "-m", "archive.demo", "--port", str(port)], cwd=ROOT)
    try:
        wait_until_ready(url, demo)
        print(f"the demo runs at {url}; pictures in {minutes:g} minutes", flush=True)
        time.sleep(minutes * 60)
        script = ROOT / "services" / "web" / "screenshots.mjs"
        return subprocess.run(["node", str(script), url, str(OUTPUT)], check=False).returncode
    finally:
        demo.send_signal(signal.SIGINT)
        demo.wait(60)


if __name__ == "__main__":
    raise SystemExit(main())
