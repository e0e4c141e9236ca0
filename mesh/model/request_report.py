"""A finished request as it is reported: what many requests have alike, and what is its own.

    AccessLogEntry  =  CommonFacts: one object for all requests that have them alike
                    +  RequestReport: made for each request

Whoever writes reports makes something of the common facts once (the part of a line, of a message, a series)
and finds it again by their identity; for each request only what is its own is left to be written.
"""

from __future__ import annotations

from dataclasses import fields, replace
from operator import attrgetter
from typing import Final

from mesh.model.access_log_entry import AccessLogEntry
from mesh.remember import remember

MAX_KNOWN: Final = 1024  # common facts, about 2 kB each with what is made of them; clients choose some

# what a request has for itself; most of it no other request has
_OWN: Final[dict[str, object]] = {
    "start_time": 0.0,
    "duration_s": 0.0,
    "path": "",
    "user_agent": "",
    "request_id": "",
    "forwarded_for": "",
    "bytes_received": 0,
    "bytes_sent": 0,
    "request_header_bytes": 0,
    "response_header_bytes": 0,
    "upstream_service_time_s": None,
    "upstream_local_address": "",
    "downstream_remote_address": "",
    "request_messages": 0,
    "response_messages": 0,
}
_common_of = attrgetter(*(field.name for field in fields(AccessLogEntry) if field.name not in _OWN))


class CommonFacts:
    """``entry`` says them, and nothing that is a request's own. Two of these are never equal."""

    __slots__ = ("entry",)

    def __init__(self, entry: AccessLogEntry) -> None:
        self.entry = entry


class RequestReport:
    """Named and measured as in ``AccessLogEntry``; what a client writes is here UTF-8, as it will be sent."""

    __slots__ = (
        "bytes_received",
        "bytes_sent",
        "common",
        "downstream_remote_address",
        "duration_s",
        "forwarded_for",
        "path",
        "request_header_bytes",
        "request_id",
        "request_messages",
        "response_header_bytes",
        "response_messages",
        "start_time",
        "upstream_local_address",
        "upstream_service_time_s",
        "user_agent",
    )

    def __init__(
        self,
        common: CommonFacts,
        start_time: float,
        duration_s: float,
        path: bytes,
        user_agent: bytes,
        request_id: bytes,
        forwarded_for: bytes,
        bytes_received: int,
        bytes_sent: int,
        request_header_bytes: int,
        response_header_bytes: int,
        upstream_service_time_s: float | None,
        upstream_local_address: str,
        downstream_remote_address: str,
    ) -> None:
        self.common = common
        self.start_time = start_time
        self.duration_s = duration_s
        self.path = path
        self.user_agent = user_agent
        self.request_id = request_id
        self.forwarded_for = forwarded_for
        self.bytes_received = bytes_received
        self.bytes_sent = bytes_sent
        self.request_header_bytes = request_header_bytes
        self.response_header_bytes = response_header_bytes
        self.upstream_service_time_s = upstream_service_time_s
        self.upstream_local_address = upstream_local_address
        self.downstream_remote_address = downstream_remote_address
        self.request_messages = self.response_messages = 0  # few requests are calls of gRPC


def split(entry: AccessLogEntry, known: dict[tuple[object, ...], CommonFacts] | None = None) -> RequestReport:
    """An entry that somebody else made, as a report; with ``known``, those that say the same share it."""
    key = _common_of(entry)
    common = known.get(key) if known is not None else None
    if common is None:
        common = CommonFacts(replace(entry, **_OWN))  # type: ignore[arg-type]
        if known is not None:
            remember(known, key, common, MAX_KNOWN)
    report = RequestReport(
        common,
        entry.start_time,
        entry.duration_s,
        _utf8(entry.path),
        _utf8(entry.user_agent),
        _utf8(entry.request_id),
        _utf8(entry.forwarded_for),
        entry.bytes_received,
        entry.bytes_sent,
        entry.request_header_bytes,
        entry.response_header_bytes,
        entry.upstream_service_time_s,
        entry.upstream_local_address,
        entry.downstream_remote_address,
    )
    report.request_messages, report.response_messages = entry.request_messages, entry.response_messages
    return report


def join(report: RequestReport) -> AccessLogEntry:
    """The inverse of ``split``."""
    own = {name: getattr(report, name) for name in _OWN}
    texts = {name: value.decode() for name, value in own.items() if isinstance(value, bytes)}
    return replace(report.common.entry, **own | texts)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
