"""What went wrong with a broker, in words that say what to look at."""

import re
import socket

HINTS = {
    "NOAUTH": "the server wants a password: put it into the URL",
    "WRONGPASS": "the server does not take this user name and password",
    "NOPERM": "the server's ACL does not allow this user to do that",
    "LOADING": "the server is still loading its data",
}
_ADDRESS = re.compile(r"Connect call failed \('([^']+)', (\d+)")


def reason_of(error: BaseException) -> str:
    """For people. The messages of brokers' errors hold no password: the addresses in them are host and port alone."""
    text = str(error) or type(error).__name__
    if isinstance(error, ConnectionRefusedError) or "[Errno 111]" in text:
        return f"connection refused{_where(text)}: is the server running there?"
    if isinstance(error, socket.gaierror):
        return f"the host name cannot be resolved ({error.strerror or text})"
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    hint = HINTS.get(text.partition(" ")[0])
    return f"{hint} ({text})" if hint else text


def _where(text: str) -> str:
    """The address that asyncio names, if it does (`asyncio.base_events`)."""
    addresses = list(dict.fromkeys(":".join(each) for each in _ADDRESS.findall(text)))
    return f" at {' and '.join(addresses)}" if addresses else ""
