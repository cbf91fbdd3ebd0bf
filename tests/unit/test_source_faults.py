"""Reasons for a source being down say what to look at."""

import socket

import pytest
from taskscope_collector.sources.faults import reason_of
from taskscope_collector.sources.resp import RespError


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 6379)"),
            "connection refused at 127.0.0.1:6379: is the server running there?",
        ),
        (
            OSError(
                "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), "
                "[Errno 111] Connect call failed ('127.0.0.1', 1)"
            ),
            "connection refused at ::1:1 and 127.0.0.1:1: is the server running there?",
        ),
        (ConnectionRefusedError(), "connection refused: is the server running there?"),
        (socket.gaierror(-2, "Name or service not known"), "the host name cannot be resolved (Name or service not known)"),
        (TimeoutError(), "no answer in time"),
        (RespError("WRONGPASS no"), "the server does not take this user name and password (WRONGPASS no)"),
        (RespError("ERR max number of clients reached"), "ERR max number of clients reached"),
        (EOFError(), "EOFError"),
    ],
)  # fmt: skip
def test_a_fault_is_said_in_words_that_tell_what_to_look_at(error: BaseException, reason: str) -> None:
    assert reason_of(error) == reason
