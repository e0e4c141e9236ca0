"""Checks in bytes."""

from __future__ import annotations

import asyncio

from mesh.model.health_check import HealthCheck, TcpHealthCheck

QUICK = {"timeout_s": 0.5, "interval_s": 0.03, "no_traffic_interval_s": 0.03, "unhealthy_threshold": 1}


async def serving(answer: bytes, connections: list[int]) -> asyncio.Server:
    """A server that answers each read with these bytes, in two writes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(0)
        try:
            while await reader.read(100):
                connections[-1] += 1
                writer.write(answer[:3])
                await asyncio.sleep(0)
                writer.write(answer[3:])
        except ConnectionError:
            pass
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


async def test_an_answer_that_holds_the_bytes_passes_and_the_connection_is_kept(proxy, serve, make):
    connections: list[int] = []
    server = await serving(b"+PONG\r\n", connections)
    port = server.sockets[0].getsockname()[1]
    rules = HealthCheck(TcpHealthCheck(b"PING\r\n", (b"+PO", b"NG")), **QUICK)
    await serve(make.forward("c"), make.cluster("c", port, health_check=rules))
    stats = proxy.worker.stats
    await proxy.until(lambda: stats.counters["cluster.c.health_check.success"].value >= 3)
    assert len(connections) == 1
    server.close()


async def test_another_answer_is_a_timeout(proxy, serve, make):
    server = await serving(b"-ERR\r\n", [])
    port = server.sockets[0].getsockname()[1]
    rules = HealthCheck(TcpHealthCheck(b"PING\r\n", (b"+PONG",)), **{**QUICK, "timeout_s": 0.05})
    await serve(make.forward("c"), make.cluster("c", port, health_check=rules))
    (host,) = proxy.worker.clusters["c"].hosts.values()
    await proxy.until(lambda: host.session.health.is_timed_out)
    server.close()


async def test_without_bytes_to_wait_for_a_connection_is_all(proxy, serve, make):
    up, down = await proxy.origin(), make.free_port()
    rules = HealthCheck(TcpHealthCheck(), **QUICK)
    await serve(make.forward("c"), make.cluster("c", up.port, down, health_check=rules))
    stats = proxy.worker.stats
    await proxy.until(lambda: stats.counters["cluster.c.health_check.success"].value >= 2)
    await proxy.until(lambda: up.connections >= 2)
    assert stats.gauges["cluster.c.membership_healthy"].value == 1
    assert stats.counters["cluster.c.health_check.network_failure"].value >= 1
