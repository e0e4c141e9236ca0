"""Checks in HTTP/2: of a real gRPC server, and of a proxy of ours."""

from __future__ import annotations

import grpc
import pytest

from mesh.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck
from mesh.model.resources import Resources
from mesh.model.route import DirectResponse, Route, RouteMatch

QUICK = {
    "timeout_s": 2.0,
    "interval_s": 0.03,
    "no_traffic_interval_s": 0.03,
    "healthy_threshold": 1,
    "unhealthy_threshold": 1,
}
SERVING, NOT_SERVING = b"\x08\x01", b"\x08\x02"


class HealthServer:
    """A gRPC server with the health service; ``asked`` are the names it was asked for, with their fields."""

    def __init__(self) -> None:
        self.answer = SERVING
        self.asked: list[tuple[bytes, dict[str, str]]] = []
        self.server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(self._check)
        service = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})
        self.server.add_generic_rpc_handlers((service,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")

    async def _check(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.asked.append((request, dict(context.invocation_metadata())))
        assert context.time_remaining() is not None
        return self.answer


@pytest.fixture
async def health_server():
    made = HealthServer()
    await made.server.start()
    yield made
    await made.server.stop(None)


async def test_a_grpc_server_is_asked_for_its_service(proxy, serve, make, health_server):
    rules = HealthCheck(GrpcHealthCheck("shop.Cart", "cart.example.com"), **QUICK)
    await serve(make.forward("c"), make.cluster("c", health_server.port, http2=True, health_check=rules))
    healthy = proxy.worker.stats.gauges["cluster.c.membership_healthy"]
    await proxy.until(lambda: len(health_server.asked) >= 3)
    assert healthy.value == 1
    request, fields = health_server.asked[0]
    assert request == b"\x0a\x09shop.Cart"
    assert fields["user-agent"].startswith("Envoy/HC")
    health_server.answer = NOT_SERVING
    await proxy.until(lambda: healthy.value == 0)
    health_server.answer = SERVING
    await proxy.until(lambda: healthy.value == 1)
    assert not proxy.worker.stats.counters["cluster.c.health_check.network_failure"].value


async def test_a_server_that_restarts_is_found_again(proxy, serve, make, health_server):
    rules = HealthCheck(GrpcHealthCheck(), **QUICK)
    await serve(make.forward("c"), make.cluster("c", health_server.port, http2=True, health_check=rules))
    stats = proxy.worker.stats
    await proxy.until(lambda: len(health_server.asked) >= 2)
    await health_server.server.stop(None)
    await proxy.until(lambda: stats.counters["cluster.c.health_check.network_failure"].value)
    await proxy.until(lambda: not stats.gauges["cluster.c.membership_healthy"].value)
    again = HealthServer()
    assert again.server.add_insecure_port(f"127.0.0.1:{health_server.port}") == health_server.port
    await again.server.start()
    await proxy.until(lambda: stats.gauges["cluster.c.membership_healthy"].value)
    await again.server.stop(None)


async def test_a_server_without_the_health_service_is_not_healthy(proxy, serve, make):
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    rules = HealthCheck(GrpcHealthCheck(), **QUICK)
    await serve(make.forward("c"), make.cluster("c", port, http2=True, health_check=rules))
    stats = proxy.worker.stats
    await proxy.until(lambda: stats.counters["cluster.c.health_check.failure"].value >= 2)
    await proxy.settled()
    assert stats.counters["cluster.c.health_check.network_failure"].value == 0
    assert stats.gauges["cluster.c.membership_healthy"].value == 0
    await server.stop(None)


@pytest.mark.parametrize(("status", "healthy"), [(204, 1), (500, 0)])
async def test_requests_in_http2(proxy, serve, make, status, healthy):
    port = make.free_port()
    listener = make.outbound(port, make.routes(Route(RouteMatch(), DirectResponse(status))))
    check = HttpHealthCheck("/healthz", "app", expected_statuses=((200, 300),), http2=True)
    cluster = make.cluster("c", port, http2=True, health_check=HealthCheck(check, **QUICK))
    proxy.config.apply(Resources(clusters=(cluster,), listeners=(listener,)))
    stats = proxy.worker.stats
    name = "success" if healthy else "failure"
    await proxy.until(lambda: stats.counters[f"cluster.c.health_check.{name}"].value >= 3)
    assert stats.gauges["cluster.c.membership_healthy"].value == healthy
    assert {(entry.protocol, entry.user_agent, entry.authority) for entry in proxy.entries} == {
        ("HTTP/2", "Envoy/HC", "app")
    }
    assert stats.counters["http.outbound.downstream_cx_total"].value == 1


@pytest.mark.envoy
@pytest.mark.parametrize("answer", [SERVING, NOT_SERVING], ids=["serving", "not serving"])
async def test_the_real_envoy_asks_the_same_of_a_grpc_server(
    proxy, serve, envoy, make, health_server, answer
):
    """Its question, and all fields of it."""
    health_server.answer = answer
    rules = HealthCheck(GrpcHealthCheck("a.B", "b.example.com"), **QUICK)
    cluster = make.cluster("c", health_server.port, http2=True, health_check=rules)
    await serve(make.forward("c"), cluster)
    await proxy.until(lambda: len(health_server.asked) >= 2)
    ours = health_server.asked[0]
    proxy.config.apply(Resources())
    await proxy.settled()
    seen = len(health_server.asked)
    client = await envoy(make.routes(Route(RouteMatch(), make.forward("c"))), cluster)
    await proxy.until(lambda: len(health_server.asked) > seen + 2)
    assert health_server.asked[-1] == ours
    body = (await client.get())[2]  # what is no gRPC is no matter here: whether it is asked at all is
    assert (body == b"no healthy upstream") == (answer is NOT_SERVING)
