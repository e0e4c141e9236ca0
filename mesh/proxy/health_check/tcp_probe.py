"""Health checks in bytes: a connection, or what is answered on it."""

from __future__ import annotations

import asyncio
from typing import cast

from mesh.model.health_check import TcpHealthCheck
from mesh.proxy.health_check.probe import Asked
from mesh.proxy.health_check.state import Outcome
from mesh.proxy.health_check.verdict import MAX_BODY_BYTES, holds


class TcpLine(asyncio.Protocol):
    """One check at a time; where nothing is to be received, one connection a check."""

    __slots__ = ("_answered", "_received", "_rules", "_transport", "is_usable")

    def __init__(self, rules: TcpHealthCheck) -> None:
        self._rules = rules
        self._answered: Asked | None = None
        self._received = b""
        self.is_usable = True
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, answered: Asked) -> None:
        if not self._rules.receive:
            self.close()  # it could be connected to: that was the check
            answered(Outcome.PASSED, False)
            return
        self._answered = answered
        self._received = b""
        if self._rules.send:
            self._transport.write(self._rules.send)

    def data_received(self, data: bytes) -> None:
        """Wrong bytes cannot be told from too few: the right ones may still come, until time is up."""
        self._received = (self._received + data)[-MAX_BODY_BYTES:]
        if self._answered is not None and holds(self._received, self._rules.receive):
            self._end(Outcome.PASSED)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_usable = False
        self._end(Outcome.NETWORK)

    def _end(self, outcome: Outcome) -> None:
        answered, self._answered = self._answered, None
        if answered is not None:
            answered(outcome, False)

    def close(self) -> None:
        self.is_usable = False
        self._transport.abort()
