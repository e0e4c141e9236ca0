"""An HTTP/1.1 origin that appends each request's number to $JOURNAL before it answers with it.

What is written survives SIGKILL. On SIGUSR1 every connection is reset; SIGSTOP and SIGKILL need no help.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct

PORT = 9080
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time
_SIZES = (0, 100, 10_000, 200_000)  # bytes after the number, by the number


def answer_to(number: int) -> bytes:
    return b"%d " % number + b"x" * _SIZES[number % len(_SIZES)]


class Origin:
    def __init__(self, journal: int) -> None:
        self._journal = journal
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line[15:])
                        for line in head.lower().split(b"\r\n")
                        if line.startswith(b"content-length:")
                    ),
                    0,
                )
                await reader.readexactly(length)
                path = head.split(b" ", 2)[1]
                body = b"well" if path == b"/health" else self._execute(int(path[1:]))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _execute(self, number: int) -> bytes:
        os.write(self._journal, b"%d\n" % number)
        return answer_to(number)

    def reset(self) -> None:
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            writer.transport.abort()


async def main() -> None:
    journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    origin = Origin(journal)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, origin.reset)
    server = await asyncio.start_server(origin.serve, os.environ["BIND_ADDRESS"], PORT)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
