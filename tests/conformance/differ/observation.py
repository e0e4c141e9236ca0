"""What was seen of one proxy in one case, and how two of them differ."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from differ.client import Heard
from differ.wire import Fields, Message
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.standard_metrics import HTTP_LABELS, http_labels

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_VOLATILE = {"date": "*", "x-envoy-upstream-service-time": "*"}
# Both parsers have their own words for what is wrong with a message
_CODEC_DETAILS = re.compile(r"(http[12])\..*|(codec)_error:.*")


def _codec(found: re.Match[str]) -> str:
    return found[1] or "http2"  # only HTTP/2's has errors that are its own


Facts = dict[str, Any]


@dataclass(slots=True)
class Observation:
    heard: Heard
    requests: list[Message]
    garbage: list[str]
    entries: list[AccessLogEntry]
    resets: list[str] = field(default_factory=list)  # that the origin got

    def facts(self, node: Node) -> Facts:
        """Named and comparable: what may differ from run to run is taken out.

        A request whose end the origin never saw is none: how much of it was sent is a matter of time.
        """
        responses, entries = self.heard.responses, self.entries
        requests = [request for request in self.requests if request.complete]
        passed = [entry for entry in entries if entry.response_code_details == "via_upstream"]
        return {
            "statuses": [response.status for response in responses],
            "interim": self.heard.interim,
            "connection": self.heard.fate,
            "resets": self.heard.resets,
            "goaways": self.heard.goaways,
            "response headers": [_fields(response.fields) for response in responses],
            "response bodies": [(response.body, response.complete) for response in responses],
            "response trailers": [_fields(response.trailers) for response in responses],
            "origin requests": [request.start for request in requests],
            "origin headers": [_fields(request.fields) for request in requests],
            "origin bodies": [request.body for request in requests],
            "origin trailers": [_fields(request.trailers) for request in requests],
            "origin resets": self.resets,
            "log": [_line(entry) for entry in entries],
            "flags": [entry.response_flags for entry in entries],
            "details": [_CODEC_DETAILS.sub(_codec, entry.response_code_details) for entry in entries],
            "bytes": [(entry.bytes_received, entry.bytes_sent) for entry in passed],
            "messages": [counts for counts in map(_messages, entries) if any(counts)],
            "labels": [_labels(entry, node) for entry in entries],
        }


def _labels(entry: AccessLogEntry, node: Node) -> dict[str, str]:
    """Istio's, less those that say nothing about this request."""
    values = zip(HTTP_LABELS, http_labels(entry, node), strict=True)
    return {label: value for label, value in values if not label.startswith("source_") and value != "unknown"}


def _fields(fields: Fields) -> dict[str, list[str]]:
    """By name; the order of names means nothing, that of a name's values does."""
    found: dict[str, list[str]] = {}
    for name, value in sorted(fields, key=lambda field: field[0]):
        seen = _UUID.sub("<uuid>", value) if name == "x-request-id" else _VOLATILE.get(name, value)
        if name == "x-forwarded-for":
            seen = _without_own_address(seen)
        found.setdefault(name, []).append(seen)
    return found


def _without_own_address(forwarded_for: str) -> str:
    """At the edge Envoy writes the machine's own address down for a client on loopback, we the client's."""
    told = forwarded_for.split(",")
    return ",".join("127.0.0.1" if address == _own_address() else address for address in told)


@lru_cache
def _own_address() -> str:
    """That of the way out; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def _messages(entry: AccessLogEntry) -> tuple[int, int]:
    return entry.request_messages, entry.response_messages


def _line(entry: AccessLogEntry) -> str:
    return (
        f"{entry.method} {entry.path} {entry.protocol} {entry.authority} {entry.response_code}"
        f" {entry.upstream_cluster} {entry.route_name}"
    )


def differences(ours: Facts, envoy: Facts) -> Facts:
    """Field name -> (ours, Envoy's); of mappings only the keys that differ."""
    found: Facts = {}
    for name, mine in ours.items():
        theirs = envoy[name]
        if mine != theirs:
            found[name] = (_reduced(mine, theirs), _reduced(theirs, mine))
    return found


def _reduced(mine: Any, theirs: Any) -> Any:
    if (
        not isinstance(mine, list)
        or len(mine) != len(theirs)
        or not all(isinstance(each, dict) for each in mine)
    ):
        return mine
    return [
        {key: value for key, value in one.items() if other.get(key) != value}
        for one, other in zip(mine, theirs, strict=True)
    ]


def show(found: Facts) -> str:
    """The facts that differ; of an answer that is another one, not also all that follows from it."""
    names = (
        ["statuses", "resets", "goaways", "connection", "origin requests", "details"]
        if "statuses" in found
        else list(found)
    )
    return "\n".join(
        f"{name}:\n    ours  {found[name][0]!r}\n    envoy {found[name][1]!r}"
        for name in names
        if name in found
    )
