"""Where `taskscope up` listens."""

import errno
import ipaddress
import os
import socket

BACKLOG = 2048
"""Connections that wait to be accepted: after a restart all browsers come back at once."""


class ListenError(Exception):
    """The address cannot be listened on; the text says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `ListenError`."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        return socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except socket.gaierror as error:
        raise ListenError(f"{host} is not an address of this machine: {error.strerror}") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(f"Port {port} of {host} is in use: stop what listens there, or take another (--port)") from error
        raise ListenError(f"{host}:{port} cannot be listened on: {os.strerror(error.errno or 0)}") from error


def address_of(listener: socket.socket) -> str:
    """The URL that leads to the socket, as a person on this machine would type it."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
