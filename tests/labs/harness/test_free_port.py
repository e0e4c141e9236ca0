from __future__ import annotations

import socket
from pathlib import Path

from labs.harness.free_port import LOOPBACK, free_port


def test_no_port_is_given_twice_and_none_that_the_kernel_gives_to_connections() -> None:
    given = [free_port() for _ in range(2000)]
    assert len(set(given)) == len(given)
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not any(first <= port <= last for port in given) or first <= 20_000


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        for _ in range(2000):
            port = free_port()
            with socket.socket() as probe:
                probe.bind((LOOPBACK, port))
