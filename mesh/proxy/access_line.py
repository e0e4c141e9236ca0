"""Istio's default access log line (mesh configuration accessLogFormat), in two steps.

    line_template  what requests with the same common facts have alike, escaped once
    fill           what is a request's own, put into its places

No value can end the line or leave its place: what could is escaped as in Python's source.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Final

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.request_report import RequestReport, split

# bytes that no value may bring into a line: quotes, backslashes, controls, and all beyond ASCII (among them
# the line separators of Unicode). Whatever has none of them is the same when translated.
_HARMLESS: Final = bytes(
    byte if 0x20 <= byte < 0x7F and byte not in b'"\\' else ord("?") for byte in range(256)
)

_MILLISECONDS: Final = tuple(b".%03dZ" % number for number in range(1000))


def format_line(entry: AccessLogEntry) -> bytes:
    """The line of a whole entry, with its newline."""
    report = split(entry)
    return fill(line_template(report.common.entry), report)


def line_template(e: AccessLogEntry) -> bytes:
    """What ``fill`` takes; of the entry only the common facts are looked at."""
    return (
        f'[%b%b] "{_place(e.method)} %b {_place(e.protocol)}" {e.response_code} {_place(e.response_flags)} '
        f"{_unquoted(e.response_code_details)} {_place(e.connection_termination_details)} "
        f'"{_place(e.upstream_transport_failure_reason)}" %d %d %d %b '
        f'"%b" "%b" "%b" "{_place(e.authority)}" "{_place(e.upstream_host)}" {_place(e.upstream_cluster)} '
        f"%b {_place(e.downstream_local_address)} %b "
        f"{_unquoted(e.requested_server_name)} {_place(e.route_name)}\n"
    ).encode()


def fill(template: bytes, report: RequestReport) -> bytes:
    """The line of one request, with its newline."""
    path, forwarded_for = report.path or b"-", report.forwarded_for or b"-"
    user_agent, request_id = report.user_agent or b"-", report.request_id or b"-"
    if (
        path.translate(_HARMLESS) != path
        or user_agent.translate(_HARMLESS) != user_agent
        or request_id.translate(_HARMLESS) != request_id
        or forwarded_for.translate(_HARMLESS) != forwarded_for
    ):
        path, user_agent, request_id, forwarded_for = map(
            _harmless, (path, user_agent, request_id, forwarded_for)
        )
    start_time, service_time_s = report.start_time, report.upstream_service_time_s
    second = int(start_time)
    return template % (
        _second(second),
        _MILLISECONDS[int((start_time - second) * 1000)],
        path,
        report.bytes_received,
        report.bytes_sent,
        int(report.duration_s * 1000),
        b"-" if service_time_s is None else b"%d" % int(service_time_s * 1000),
        forwarded_for,
        user_agent,
        request_id,
        _address(report.upstream_local_address),
        _address(report.downstream_remote_address),
    )


def _place(value: str) -> str:
    """A value as it stands in a template."""
    return (_escape(value) if value else "-").replace("%", "%%")


def _unquoted(value: str) -> str:
    """Has no quotes around it, and so no blanks in it: Envoy does the same with these."""
    return _place(value).replace(" ", "_")


def _escape(value: str) -> str:
    return value.encode("unicode_escape").decode("ascii").replace('"', "\\x22")


def _harmless(utf8: bytes) -> bytes:
    return _escape(utf8.decode()).encode()


@lru_cache(maxsize=60)
def _second(second: int) -> bytes:
    """Most lines share theirs with the line before."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()


@lru_cache(maxsize=4096)
def _address(text: str) -> bytes:
    """A connection has the same for all its requests."""
    return _escape(text).encode() if text else b"-"
