"""Wait until a local URL answers 200: ``python -m mesh.platform.docker.probe URL [SECONDS]``.

The health check of sidecars and control plane, so it is kept light: no HTTP library, and one attempt by
default. Of a ``tcp`` URL it is enough that somebody listens. Exit status 0 when it answered, 1 when not in
time.
"""

from __future__ import annotations

import socket
import sys
import time
from urllib.parse import urlsplit

ATTEMPT_TIMEOUT_S = 2.0
EVERY_S = 0.1
OK = b" 200 "


def answers(url: str) -> bool:
    """Whether one GET of the URL gives 200, or a connection to it is accepted."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    request = f"GET {parts.path or '/'} HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: close\r\n\r\n"
    try:
        with socket.create_connection((host, port), ATTEMPT_TIMEOUT_S) as connection:
            if parts.scheme == "tcp":
                return True
            connection.sendall(request.encode())
            line = connection.makefile("rb").readline(256)
    except OSError:
        return False
    return line.startswith(b"HTTP/1.") and OK in line


def main(words: list[str]) -> int:
    url, seconds = words[0], float(words[1]) if len(words) > 1 else 0.0
    end = time.monotonic() + seconds
    while not answers(url):
        if time.monotonic() >= end:
            print(f"{url}: no answer within {seconds:g} s", file=sys.stderr)
            return 1
        time.sleep(EVERY_S)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
