"""The edge of the mesh: clients that are not believed, hosts that require TLS, certificates from outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from differ.case import Case, case, get
from differ.origin import HOST
from differ.pair import NODE, Pair
from differ.resources import ORIGIN, Area, Ports, cluster, logs_as, prefix, to

from labs.harness.authority import Authority
from mesh.model.cluster import Cluster
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener
from mesh.model.route import Route, RouteConfiguration, RouteMatch, VirtualHost
from mesh.model.tls import DownstreamTls, Secrets, UpstreamTls

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AUTHORITY = Authority()
ABOUT = "x-forwarded-for at the edge: use_remote_address"
XFCC = "x-forwarded-client-cert: By=spiffe://a;URI=spiffe://b"
WISHES = ("x-envoy-max-retries: 3", "x-envoy-retry-on: 5xx", "x-envoy-upstream-rq-timeout-ms: 500")
TOLD = (
    "x-envoy-decorator-operation: a",
    "x-envoy-downstream-service-cluster: b",
    "x-envoy-downstream-service-node: c",
    "x-envoy-external-address: 1.1.1.1",
    "x-envoy-internal: true",
)


def secrets(_: Path) -> Secrets:
    """Both proxies show, and ask for, a certificate that has names of every kind."""
    hosts = ("site.example", "www.site.example")
    return Secrets(AUTHORITY.issue("site", *hosts, uri=str(NODE.spiffe_id)), AUTHORITY.root_pem)


def clusters(ports: Ports) -> tuple[Cluster, ...]:
    mutual, bare = ports.more
    return (
        cluster("mutual", mutual, tls=UpstreamTls("site.example", ())),
        cluster("bare", bare, tls=UpstreamTls("site.example", ())),
    )


def listeners(ports: Ports) -> tuple[Listener, ...]:
    """A gateway's HTTPS: one asks for a certificate, one does not."""
    mutual, bare = ports.more
    return (
        _https("mutual", mutual, DownstreamTls(("h2", "http/1.1"))),
        _https("bare", bare, DownstreamTls(("h2", "http/1.1"), False, validation="")),
    )


def _https(name: str, port: int, tls: DownstreamTls) -> Listener:
    routing = RouteConfiguration(
        name, (VirtualHost("site", ("*",), (Route(RouteMatch(), to(ORIGIN)),), require_tls=True),)
    )
    manager = HttpConnectionManager(
        name,
        (Router(),),
        route_config=routing,
        access_logs=(logs_as("destination"),),
        forward_client_cert="SANITIZE_SET",
        forward_client_pem=True,
        server_name="istio-envoy",
        use_remote_address=True,
    )
    chain = FilterChain(name, manager, FilterChainMatch(transport_protocol="tls"), tls)
    return Listener(name, HOST, port, (chain,), direction="INBOUND", inspect_tls=True)


AREA = Area(
    "gateway",
    (
        VirtualHost("secure", ("secure.example", "secure.example:*"), (Route(RouteMatch(), to(ORIGIN)),),
                    require_tls=True),
        VirtualHost("any", ("*",), (
            Route(prefix("/mutual"), to("mutual")),
            Route(prefix("/bare"), to("bare")),
            Route(prefix("/"), to(ORIGIN)),
        )),
    ),
    clusters=clusters,
    listeners=listeners,
    barrier="mutual",
    ports=2,
    secrets=secrets,
    manager={"use_remote_address": True, "forward_client_cert": "SANITIZE_SET"},
)  # fmt: skip


def ask(name: str, *lines: str, path: str = "/", **options: object) -> Case:
    return case(name, ABOUT, get(path, *lines, **options))  # type: ignore[arg-type]


CASES = (
    ask("nothing said"),
    ask("inside, wishes", *WISHES),
    ask("inside, what others may not say", *TOLD),
    ask("said to be another", "x-forwarded-for: 10.0.0.1"),
    ask("said to be others", "x-forwarded-for: 10.0.0.1, 192.0.2.1"),
    ask("said twice", "x-forwarded-for: 10.0.0.1", "x-forwarded-for: 10.0.0.2"),
    ask("outside, wishes", "x-forwarded-for: 192.0.2.1", *WISHES),
    ask("outside, what others may not say", "x-forwarded-for: 192.0.2.1", *TOLD),
    ask("inside, a request id", "x-request-id: mine"),
    ask(
        "outside, a request id",
        *("x-forwarded-for: 192.0.2.1", "x-request-id: mine"),
    ),
    ask("said to be https", "x-forwarded-proto: https"),
    ask("said to be wss", "x-forwarded-proto: wss"),
    ask("a certificate said", XFCC),
    ask("hop-by-hop", "connection: close, x-mine", "x-mine: 1"),
    ask("redirect to TLS", host="secure.example", path="/a?b=c"),
    ask("redirect to TLS, a port", host="secure.example:8080"),
    ask("redirect to TLS, the default port", host="secure.example:80"),
    ask("redirect to TLS, said to be https", "x-forwarded-proto: https", host="secure.example"),
    ask("redirect to TLS, POST", host="secure.example", method="POST"),
    ask("TLS, a certificate", path="/mutual"),
    ask("TLS, a certificate and another said", XFCC, path="/mutual"),
    ask("TLS, no certificate is asked for", XFCC, path="/bare"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_gateway(case: Case, pair: Pair) -> None:
    await pair.check(case)
