"""Asks one URL again and again from some connections, as browsers do (gzip): `python hammer.py PORT PATH CONNECTIONS SECONDS`; prints requests a second."""

import asyncio
import json
import sys
import time


async def ask(port: int, path: str, until: float) -> int:
    """Requests answered on one connection until then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    answered = 0
    while time.monotonic() < until:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        answered += 1
    writer.close()
    return answered


async def main(port: int, path: str, connections: int, seconds: float) -> None:
    """All connections at once."""
    until = time.monotonic() + seconds
    answered = sum(await asyncio.gather(*(ask(port, path, until) for _ in range(connections))))
    print(json.dumps({"rate": answered / seconds}))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
