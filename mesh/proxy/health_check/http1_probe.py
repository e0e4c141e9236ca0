"""Health checks in HTTP/1.1: a request, and whether its answer is as expected."""

from __future__ import annotations

import asyncio
from typing import cast

from mesh.http.errors import ResponseError
from mesh.http.response_parser import ResponseParser
from mesh.http.serialize import request_head
from mesh.model.health_check import HttpHealthCheck
from mesh.proxy.health_check.probe import Asked
from mesh.proxy.health_check.state import Outcome
from mesh.proxy.health_check.verdict import MAX_BODY_BYTES, USER_AGENT, http_outcome

IMMEDIATE_FAIL = b"x-envoy-immediate-health-check-fail"
_WITHOUT_BODY = ("GET", "HEAD", "DELETE", "TRACE")  # others say that theirs is empty


class Http1Line(asyncio.Protocol):
    """One check at a time."""

    __slots__ = ("_answered", "_body", "_head", "_parser", "_rules", "_transport", "is_usable")

    def __init__(self, rules: HttpHealthCheck, authority: str) -> None:
        self._rules = rules
        self._head = _request(rules, authority)
        self._parser = ResponseParser()
        self._answered: Asked | None = None
        self._body = b""
        self.is_usable = True
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, answered: Asked) -> None:
        self._answered = answered
        self._body = b""
        self._parser.expect(self._rules.method.encode())
        self._transport.write(self._head)

    def data_received(self, data: bytes) -> None:
        if self._answered is None:
            self.close()  # nobody asked
            return
        try:
            self._parser.receive_data(data)
        except ResponseError:
            self._end(Outcome.NETWORK)
            return
        self._look()

    def eof_received(self) -> bool:
        if self._answered is not None and self._parser.response is not None and self._parser.receive_eof():
            self._look()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_usable = False
        self._end(Outcome.NETWORK, keep=True)
        self._parser.close()

    def _look(self) -> None:
        """At what has come of the answer."""
        response = self._parser.response
        if response is None:
            return
        self._body = (self._body + response.take_body())[:MAX_BODY_BYTES]
        if response.complete:
            outcome = http_outcome(self._rules, response.status, self._body)
            excluded = outcome is not Outcome.PASSED and IMMEDIATE_FAIL in response.fields
            self._end(outcome, excluded, keep=response.keep_alive)

    def _end(self, outcome: Outcome, excluded: bool = False, keep: bool = False) -> None:
        answered, self._answered = self._answered, None
        if not keep:
            self.close()
        if answered is not None:
            answered(outcome, excluded)

    def close(self) -> None:
        self.is_usable = False
        self._transport.abort()


def _request(rules: HttpHealthCheck, authority: str) -> bytes:
    fields = {b"host": authority.encode(), b"user-agent": USER_AGENT}
    fields |= {name.lower().encode(): value.encode() for name, value in rules.headers}
    if rules.method not in _WITHOUT_BODY:
        fields[b"content-length"] = b"0"
    return request_head(rules.method.encode(), rules.path.encode(), fields, [])
