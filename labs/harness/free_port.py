"""Ports for listeners that have to be told theirs before they listen.

From below the range that the kernel gives to connections (ip_local_port_range), where between the choice and
the bind no client of anybody's can come by one, and none twice in a process.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from random import SystemRandom

LOOPBACK = "127.0.0.1"
_FIRST, _END = 20_000, 32_768  # beyond Istio's own; where Linux begins with connections
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """One of 127.0.0.1 that nobody listens on."""
    for port in _CANDIDATES:
        with socket.socket() as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise AssertionError("the candidates come round again and again")


def _candidates() -> Iterator[int]:
    """In an order of this process's own: others may look for ports at the same time."""
    connections_from = int(_RANGE.read_text().split()[0])
    ports = list(range(_FIRST, connections_from if connections_from > _FIRST else _END))
    SystemRandom().shuffle(ports)
    return cycle(ports)


_CANDIDATES = _candidates()
