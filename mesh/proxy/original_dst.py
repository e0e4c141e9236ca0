"""Where a redirected connection was going before iptables turned it to us."""

from __future__ import annotations

import socket
import struct

SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h; a struct sockaddr_in
_SOCKADDR_IN = struct.Struct("!2xH4s8x")


def original_destination(connection: socket.socket) -> tuple[str, int] | None:
    """None when nothing was redirected: the kernel does not know it, or it is our own address."""
    try:
        raw = connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, _SOCKADDR_IN.size)
        local = connection.getsockname()
    except OSError:
        return None
    port, address = _SOCKADDR_IN.unpack(raw)
    found = (socket.inet_ntoa(address), port)
    return None if found == local[:2] else found
