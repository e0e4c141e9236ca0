"""A pair of sidecars: one shows the workload's certificate, the other asks for it and tells the origin."""

from __future__ import annotations

from typing import get_args

import pytest
from differ.case import Case, case, get
from differ.origin import HOST
from differ.pair import NODE, Pair
from differ.resources import ORIGIN, Area, Ports, cluster, logs_as, prefix, to
from differ.workload import secrets

from mesh.model.cluster import Cluster
from mesh.model.http_filter import Router
from mesh.model.listener import (
    FilterChain,
    FilterChainMatch,
    ForwardClientCert,
    HttpConnectionManager,
    Listener,
)
from mesh.model.names import MTLS_ALPN, SYSTEM_ROOTS, UPSTREAM_ALPN
from mesh.model.route import Route, RouteConfiguration, RouteMatch, VirtualHost
from mesh.model.tls import DownstreamTls, UpstreamTls

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

MODES: tuple[ForwardClientCert, ...] = get_args(ForwardClientCert)
INBOUND = "inbound|9080||"
SAID = "x-forwarded-client-cert: By=spiffe://a;URI=spiffe://b"


def tls(*names: str) -> UpstreamTls:
    return UpstreamTls("outbound_.9080_._.origin.default.svc.cluster.local", UPSTREAM_ALPN, names)


def mode_cluster(mode: str) -> str:
    return f"outbound|9080|{mode.lower()}|origin.default.svc.cluster.local"


def clusters(ports: Ports) -> tuple[Cluster, ...]:
    pairs = zip(MODES, ports.more, strict=False)
    inbound = ports.more[0]
    return (
        cluster(INBOUND, ports.origin),
        *(cluster(mode_cluster(mode), port, tls=tls(str(NODE.spiffe_id))) for mode, port in pairs),
        cluster("any-name", inbound, tls=tls()),
        cluster("wrong-name", inbound, tls=tls("spiffe://cluster.local/ns/default/sa/other")),
        cluster(
            "foreign-authority", inbound, tls=UpstreamTls("origin.test", MTLS_ALPN, validation=SYSTEM_ROOTS)
        ),
        cluster("no-certificate", inbound, tls=UpstreamTls("origin.test", MTLS_ALPN, certificate="")),
        cluster("plaintext-to-tls", inbound, max_requests_per_connection=1),
        cluster("tls-to-plaintext", ports.refused, tls=tls()),
        cluster("permissive-tls", ports.more[-1], tls=tls(str(NODE.spiffe_id))),
        cluster("permissive-plaintext", ports.more[-1]),
    )


def listeners(ports: Ports) -> tuple[Listener, ...]:
    strict = (
        Listener(f"inbound-{mode}", HOST, port, (_chain("tls", mode),), direction="INBOUND", inspect_tls=True)
        for mode, port in zip(MODES, ports.more, strict=False)
    )
    both = (_chain("tls", "APPEND_FORWARD"), _chain("raw_buffer", "APPEND_FORWARD"))
    return (
        *strict,
        Listener("permissive", HOST, ports.more[-1], both, direction="INBOUND", inspect_tls=True),
    )


def _chain(transport: str, mode: ForwardClientCert) -> FilterChain:
    routes = (Route(RouteMatch(), to(INBOUND), name="default"),)
    manager = HttpConnectionManager(
        f"inbound_{mode}",
        (Router(),),
        route_config=RouteConfiguration(INBOUND, (VirtualHost("inbound|http|9080", ("*",), routes),)),
        access_logs=(logs_as("destination"),),
        forward_client_cert=mode,
        server_name="istio-envoy",
    )
    secured = DownstreamTls(MTLS_ALPN) if transport == "tls" else None
    return FilterChain(transport, manager, FilterChainMatch(transport_protocol=transport), secured)  # type: ignore[arg-type]


NAMED = (
    "any-name",
    "wrong-name",
    "foreign-authority",
    "no-certificate",
    "plaintext-to-tls",
    "tls-to-plaintext",
    "permissive-tls",
    "permissive-plaintext",
)
ROUTES = (
    *(Route(prefix(f"/mode/{mode}"), to(mode_cluster(mode))) for mode in MODES),
    *(Route(prefix(f"/{name}"), to(name)) for name in NAMED),
    Route(prefix("/"), to(ORIGIN)),
)
AREA = Area(
    "mtls",
    (VirtualHost("any", ("*",), ROUTES),),
    clusters=clusters,
    listeners=listeners,
    barrier=mode_cluster("SANITIZE"),
    ports=len(MODES) + 1,
    secrets=secrets,
    manager={"forward_client_cert": "ALWAYS_FORWARD_ONLY"},  # so that a case can say what it likes
)


def ask(name: str, path: str, *lines: str, **options: object) -> Case:
    return case(name, "mTLS between sidecars", get(path, *lines, **options))  # type: ignore[arg-type]


CASES = (
    *(ask(f"{mode}, nothing said", f"/mode/{mode}") for mode in MODES),
    *(ask(f"{mode}, something said", f"/mode/{mode}", SAID) for mode in MODES),
    *(ask(f"{mode}, said twice", f"/mode/{mode}", SAID, SAID) for mode in MODES),
    ask("a body over mTLS", "/mode/SANITIZE", method="POST", body=b"x" * 100_000),
    ask("any name", "/any-name"),
    ask("another name than expected", "/wrong-name"),
    ask("a server of another authority", "/foreign-authority"),
    ask("a client without a certificate", "/no-certificate"),
    ask("plaintext where mTLS is asked for", "/plaintext-to-tls"),
    ask("nobody to shake hands with", "/tls-to-plaintext"),
    ask("permissive, mTLS", "/permissive-tls"),
    ask("permissive, plaintext", "/permissive-plaintext"),
    ask("permissive, mTLS, something said", "/permissive-tls", SAID),
    ask("permissive, plaintext, something said", "/permissive-plaintext", SAID),
    ask("said to a sidecar that only forwards", "/", SAID),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_mtls(case: Case, pair: Pair) -> None:
    await pair.check(case)
