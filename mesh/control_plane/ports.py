"""Ports that are taken are said in one line, before gRPC says it in its own way."""

from __future__ import annotations

import errno
import os
import socket


class PortTaken(OSError):
    """The text names address and port, and what the system said."""


def check_free(address: str, port: int) -> None:
    """Raises PortTaken when nothing can listen there (port 0: any, always free)."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # as servers do: a port whose connections are in TIME_WAIT is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as fault:
            reason = os.strerror(fault.errno or errno.EADDRINUSE).lower()
            raise PortTaken(f"cannot listen on {address}:{port}: {reason}") from fault
