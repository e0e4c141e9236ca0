"""Both proxies of an area of bytes, and one case run on both at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from differ.engine import Engine
from differ.envoy import start_envoy
from differ.intended import KNOWN
from differ.observation import Facts, differences, show
from differ.origin import HOST, Origin
from differ.ours import start_ours
from differ.pair import NODE
from differ.stream_case import StreamCase
from differ.stream_end import StreamEnd, StreamServer
from labs.harness.free_port import free_port
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.resources import Resources
from mesh.model.standard_metrics import TCP_LABELS, tcp_labels
from mesh.model.tls import Secrets

ANSWER_BODY = b"it is http"  # of the HTTP that an area's listeners answer
_SETTINGS = b"\x04\x00"  # RFC 9113 6.5: the first frame's type and flags, after its length
# who is refused before all of its bytes were read may get a reset from the kernel, which is a race
_GONE = {"end": "gone", "reset": "gone", "open": "open"}
DEADLINE_S = 15.0  # for a case to be over and logged


@dataclass(frozen=True, slots=True)
class StreamPorts:
    """Where things are for one of the proxies: its listeners by name, and the two servers behind it."""

    listeners: Mapping[str, int]
    server: int
    http: int
    refused: int


@dataclass(frozen=True, slots=True)
class StreamArea:
    name: str
    listeners: tuple[str, ...]
    resources: Callable[[StreamPorts], Resources]
    secrets: Callable[[Path], Secrets]


@dataclass(slots=True)
class Side:
    """One proxy with what stands around it."""

    engine: Engine
    ports: StreamPorts
    server: StreamServer

    async def observe(self, case: StreamCase) -> Facts:
        entries, begun = self.engine.entries, len(self.engine.entries)
        self.server.begin(case.server)
        client = StreamEnd(case.client)
        await asyncio.get_running_loop().create_connection(
            lambda: client, HOST, self.ports.listeners[case.to]
        )
        async with asyncio.timeout(DEADLINE_S):
            await client.done.wait()
            for end in self.server.ends:
                await end.done.wait()
            await entries.until_any(lambda: len(_ends(entries[begun:])) >= case.ends)
        seen = sorted(entries[begun:], key=lambda entry: entry.reporter)
        return self._facts(client, seen)

    def _facts(self, client: StreamEnd, entries: Sequence[AccessLogEntry]) -> Facts:
        ends = _ends(entries)
        requests = [entry for entry in entries if entry.access_log_type == "DownstreamEnd"]
        connected = any(entry.access_log_type == "TcpUpstreamConnected" for entry in entries)
        return {
            "client received": _summary(client.seen.received),
            "client end": client.seen.end if connected else _GONE.get(client.seen.end),
            "server received": [end.seen.received for end in self.server.ends],
            "server end": [end.seen.end for end in self.server.ends],
            "moments": [
                (entry.reporter, entry.access_log_type) for entry in entries if entry not in requests
            ],
            "flags": [entry.response_flags for entry in ends],
            "reason": [entry.upstream_transport_failure_reason for entry in ends],
            "termination": [entry.connection_termination_details for entry in ends],
            "bytes": [(entry.bytes_received, entry.bytes_sent) for entry in ends],
            "upstream": [(entry.upstream_cluster, self._name(entry.upstream_host)) for entry in ends],
            "server name": [entry.requested_server_name for entry in ends],
            "principals": [(entry.source_principal, entry.destination_principal) for entry in ends],
            "labels": [_labels(entry) for entry in ends],
            "requests": [(entry.response_code, entry.upstream_cluster, entry.protocol) for entry in requests],
        }

    def _name(self, address: str) -> str:
        """A port by what is there: numbers differ from proxy to proxy."""
        known = {self.ports.server: "server", self.ports.http: "http", self.ports.refused: "refused"}
        known |= {port: name for name, port in self.ports.listeners.items()}
        return known.get(int(address.rpartition(":")[2] or 0), address)


def _summary(received: bytes) -> bytes:
    """What HTTP writes is another area's matter: here, which of its versions answered, and what."""
    if received.startswith(b"HTTP/"):
        return received.partition(b"\r\n")[0] + b" " + received.rpartition(b"\r\n")[2]
    if received[3:5] == _SETTINGS:
        return b"HTTP/2 " + received[-len(ANSWER_BODY) :]
    return received


def _ends(entries: Sequence[AccessLogEntry]) -> list[AccessLogEntry]:
    return [entry for entry in entries if entry.access_log_type in ("TcpConnectionEnd", "DownstreamEnd")]


def _labels(entry: AccessLogEntry) -> dict[str, str]:
    values = zip(TCP_LABELS, tcp_labels(entry, NODE), strict=True)
    return {label: value for label, value in values if value != "unknown"}


class StreamPair:
    def __init__(self, area: StreamArea, ours: Side, envoy: Side) -> None:
        self.area = area
        self.ours = ours
        self.envoy = envoy

    async def check(self, case: StreamCase) -> Facts:
        """What was seen of both. Fails with what differs, unless the tables say that it is meant to."""
        ours, envoy = await asyncio.gather(self.ours.observe(case), self.envoy.observe(case))
        found = differences(ours, envoy)
        meant = KNOWN.get((self.area.name, case.name))
        if meant is None:
            assert not found, f"{self.area.name}: {case.name}\n" + show(found)
        else:
            assert sorted(found) == sorted(meant.facts), "not as the table says:\n" + show(found)
        return ours


@asynccontextmanager
async def start_stream_pair(area: StreamArea, directory: Path) -> AsyncIterator[StreamPair]:
    async with AsyncExitStack() as stack:
        secrets, refused = area.secrets(directory), free_port()
        sides = []
        for start in (start_ours, start_envoy):
            server, http = StreamServer(), Origin()
            await server.start()
            stack.callback(server.stop)
            await http.start()
            stack.push_async_callback(http.stop)
            ports = StreamPorts(
                {name: free_port() for name in area.listeners}, server.port, http.port, refused
            )
            first = ports.listeners[area.listeners[0]]
            arguments: list[Any] = [NODE, area.resources(ports), http, first]
            if start is start_envoy:
                arguments.append(directory)
            engine = await stack.enter_async_context(start(*arguments, secrets=secrets))
            sides.append(Side(engine, ports, server))
        yield StreamPair(area, *sides)
