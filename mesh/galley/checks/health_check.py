"""HealthCheck: a host, a request that can be sent, an answer that can be told."""

from __future__ import annotations

import re

from mesh.galley.api.health_check import HealthCheck, HttpCheck, TcpCheck
from mesh.galley.checks.common import (
    Problems,
    check_dns_label,
    check_fixed_headers,
    check_host,
    check_ports,
)
from mesh.galley.fault import Loc, Problem, quoted

_PATH = re.compile(r"/[!-~]*")
_AUTHORITY = re.compile(r"[A-Za-z0-9._~:\[\]-]+")


def check_health_check(check: HealthCheck) -> Problems:
    spec, loc = check.spec, ("spec",)
    yield from check_host(spec.host, (*loc, "host"), wildcard=True)
    if spec.subset is not None:
        yield from check_dns_label(spec.subset, (*loc, "subset"))
    yield from check_ports(spec.ports, (*loc, "ports"))
    for name, threshold in (
        ("unhealthyThreshold", spec.unhealthy_threshold),
        ("healthyThreshold", spec.healthy_threshold),
    ):
        if threshold == 0:
            yield Problem((*loc, name), "expected at least 1, got 0")
    if spec.http is not None:
        yield from _check_http(spec.http, (*loc, "http"))
    if spec.tcp is not None:
        yield from _check_tcp(spec.tcp, (*loc, "tcp"))
    if spec.grpc is not None:
        yield from _check_authority(spec.grpc.authority, (*loc, "grpc", "authority"))


def _check_http(http: HttpCheck, loc: Loc) -> Problems:
    if not _PATH.fullmatch(http.path):
        yield Problem((*loc, "path"), f'expected a path such as "/healthz", got {quoted(http.path)}')
    yield from _check_authority(http.host, (*loc, "host"))
    yield from check_fixed_headers(http.headers, (*loc, "headers"))
    yield from _check_parts(http.receive, (*loc, "receive"))
    if http.receive and http.method == "HEAD":
        yield Problem((*loc, "receive"), "expected none with the method HEAD: its answer has no body")


def _check_tcp(tcp: TcpCheck, loc: Loc) -> Problems:
    yield from _check_parts(tcp.receive, (*loc, "receive"))
    if tcp.send and not tcp.receive:
        yield Problem(
            (*loc, "send"), "expected receive beside it: to connect is all that is checked otherwise"
        )


def _check_parts(parts: tuple[str, ...], loc: Loc) -> Problems:
    if sum(len(part.encode()) for part in parts) > 1024:
        yield Problem(loc, "expected at most 1024 bytes: no more of an answer is looked at")
    for index, part in enumerate(parts):
        if not part:
            yield Problem((*loc, index), "expected some text, got none")


def _check_authority(authority: str | None, loc: Loc) -> Problems:
    if authority is not None and not _AUTHORITY.fullmatch(authority):
        yield Problem(loc, f"expected a host, got {quoted(authority)}")
