"""The Valkey of `taskscope up`: nobody else's, and gone with the process."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import redis
from support.waiting import wait_for
from taskscope.embedded import embedded_valkey
from taskscope_shared.clock import SystemClock

HOLDER = """
from taskscope.embedded import embedded_valkey
from taskscope_shared.clock import SystemClock
import time
with embedded_valkey(SystemClock()) as url:
    print(url, flush=True)
    time.sleep(60)
"""


def runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_it_answers_on_a_socket_of_this_user_alone_and_leaves_nothing() -> None:
    with embedded_valkey(SystemClock()) as url:
        path = Path(url.removeprefix("unix://").partition("?")[0])
        with redis.Redis.from_url(url) as client:
            assert client.set("a", "b")
            assert client.config_get("save") == {"save": ""}
            pid = int(client.info("server")["process_id"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert psutil.Process(pid).net_connections("inet") == []
    assert not path.parent.exists()
    assert not psutil.pid_exists(pid)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_it_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, env=environment) as holder:
        assert holder.stdout
        url = holder.stdout.readline().strip()
        with redis.Redis.from_url(url) as client:
            pid = int(client.info("server")["process_id"])
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    wait_for(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, what="the server's end"
    )


def test_a_ctrl_c_on_the_terminal_does_not_reach_it() -> None:
    with embedded_valkey(SystemClock()) as url, redis.Redis.from_url(url) as client:
        pid = int(client.info("server")["process_id"])
        assert os.getpgid(pid) != os.getpgid(0)
