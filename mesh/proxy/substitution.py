"""Header values made for each request: the commands of ``mesh/model/substitution`` over an exchange's facts.

What is not known gives nothing; a header whose whole value is nothing is left as it was, as in Envoy.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from mesh.http.message import Fields, Request
from mesh.model.substitution import Command, Part, parse
from mesh.xds.errors import Rejected

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

Source = Callable[[Any], str]  # of an Exchange: importing that here would be a circle


class Template:
    """A value with commands in it."""

    __slots__ = ("_sources",)

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._sources = tuple(map(_source, parts))

    def render(self, exchange: Exchange) -> bytes:
        return "".join([source(exchange) for source in self._sources]).encode("latin-1", "replace")


def compile_value(value: str) -> bytes | Template:
    """Raises Rejected for a command there is not."""
    try:
        parts = parse(value)
    except ValueError as error:
        raise Rejected(str(error)) from None
    if all(isinstance(part, str) for part in parts):
        return "".join(map(str, parts)).encode()
    return Template(parts)


def _source(part: Part) -> Source:
    if isinstance(part, str):
        return lambda _: part
    found = _of_message(part) if part.argument else _SOURCES[part.name]
    length = part.max_length
    return found if length is None else lambda exchange: found(exchange)[:length]


def _of_message(command: Command) -> Source:
    names = tuple(name.encode() for name in command.argument)
    of_request = command.name == "REQ"

    def read(exchange: Exchange) -> str:
        """Of several values the first, as Envoy has it."""
        fields = _request_fields(exchange.request) if of_request else _response_fields(exchange)
        for name in names:
            if name in fields:
                return fields[name].strip().decode("latin-1")
        return ""

    return read


def _request_fields(request: Request) -> Fields:
    pseudo = {b":method": request.method, b":path": request.path, b":authority": request.authority}
    return pseudo | request.fields


def _response_fields(exchange: Exchange) -> Fields:
    response = exchange.response or exchange.replied
    return response.fields if response is not None else {}


def _address(text: str) -> str:
    return text.rpartition(":")[0]


def _port(text: str) -> str:
    return text.rpartition(":")[2]


def _start_time(exchange: Exchange) -> str:
    second = int(exchange.start_time)
    milliseconds = int((exchange.start_time - second) * 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(second))}.{milliseconds:03d}Z"


def _protocol(exchange: Exchange) -> str:
    return "HTTP/1.0" if exchange.request.http10 else exchange.downstream.protocol


@cache
def _hostname() -> str:
    return socket.gethostname()


_REMOTE: Source = lambda exchange: exchange.downstream.info.remote_text  # noqa: E731
_LOCAL: Source = lambda exchange: exchange.downstream.info.local_text  # noqa: E731
_CLUSTER: Source = lambda exchange: exchange.cluster.name if exchange.cluster else ""  # noqa: E731
_HOST: Source = lambda exchange: exchange.host.text if exchange.host else ""  # noqa: E731

_SOURCES: dict[str, Source] = {
    "BYTES_RECEIVED": lambda exchange: str(exchange.body.received if exchange.body is not None else 0),
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS": _REMOTE,
    "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": lambda exchange: _address(_REMOTE(exchange)),
    "DOWNSTREAM_DIRECT_REMOTE_PORT": lambda exchange: _port(_REMOTE(exchange)),
    "DOWNSTREAM_LOCAL_ADDRESS": _LOCAL,
    "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT": lambda exchange: _address(_LOCAL(exchange)),
    "DOWNSTREAM_LOCAL_PORT": lambda exchange: _port(_LOCAL(exchange)),
    "DOWNSTREAM_LOCAL_URI_SAN": lambda exchange: exchange.downstream.info.local_principal,
    "DOWNSTREAM_PEER_URI_SAN": lambda exchange: exchange.downstream.info.peer_principal,
    "DOWNSTREAM_REMOTE_ADDRESS": _REMOTE,
    "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT": lambda exchange: _address(_REMOTE(exchange)),
    "DOWNSTREAM_REMOTE_PORT": lambda exchange: _port(_REMOTE(exchange)),
    "DOWNSTREAM_TLS_VERSION": lambda exchange: exchange.downstream.info.tls_version,
    "HOSTNAME": lambda _: _hostname(),
    "PROTOCOL": _protocol,
    "REQUESTED_SERVER_NAME": lambda exchange: exchange.downstream.info.server_name,
    "RESPONSE_CODE": lambda exchange: str(exchange.status),
    "RESPONSE_CODE_DETAILS": lambda exchange: exchange.details,
    "RESPONSE_FLAGS": lambda exchange: exchange.flags,
    "ROUTE_NAME": lambda exchange: exchange.route.name if exchange.route else "",
    "START_TIME": _start_time,
    "UPSTREAM_CLUSTER": _CLUSTER,
    "UPSTREAM_CLUSTER_RAW": _CLUSTER,
    "UPSTREAM_HOST": _HOST,
    "UPSTREAM_REMOTE_ADDRESS": _HOST,
}
