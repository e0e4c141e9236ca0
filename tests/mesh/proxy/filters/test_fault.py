"""The fault filter over real sockets."""

import asyncio

from mesh.model.route import Fault, FaultAbort, FaultDelay, Route, RouteMatch, ScriptedFault


def faulty(make, fault):
    return make.routes(Route(RouteMatch(), make.forward("c"), fault=fault))


async def test_an_abort_never_reaches_the_origin(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(faulty(make, Fault(abort=FaultAbort(100, 555))), make.cluster("c", origin.port))
    status, _, body = await client.get()
    entry = proxy.entries[0]
    assert (status, body) == (555, b"fault filter abort")
    assert (entry.response_flags, entry.response_code_details) == ("FI", "fault_filter_abort")
    assert origin.requests == []


async def test_a_delay_comes_before_everything_and_is_told(proxy, serve, make):
    origin = await proxy.origin()
    fault = Fault(FaultDelay(100, 0.05))
    client = await serve(faulty(make, fault), make.cluster("c", origin.port))
    assert (await client.get())[0] == 200
    assert proxy.entries[0].response_flags == "DI"
    assert proxy.entries[0].duration_s >= 0.05
    both = Fault(FaultDelay(100, 0.01), FaultAbort(100, 503))
    client = await serve(faulty(make, both), make.cluster("c", origin.port))
    assert (await client.get())[0] == 503
    assert proxy.entries[1].response_flags == "DI,FI"


async def test_percentages_are_shares_of_requests(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(faulty(make, Fault(abort=FaultAbort(20, 500))), make.cluster("c", origin.port))
    statuses = [(await client.get())[0] for _ in range(300)]
    assert 30 < statuses.count(500) < 95
    client = await serve(faulty(make, Fault(abort=FaultAbort(0, 500))), make.cluster("c", origin.port))
    assert [(await client.get())[0] for _ in range(50)].count(500) == 0


async def test_a_client_may_leave_during_a_delay(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(faulty(make, Fault(FaultDelay(100, 0.05))), make.cluster("c", origin.port))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: proxy.worker.stats.gauge("http.outbound.downstream_rq_active").value)
    client.writer.transport.abort()
    await proxy.until(lambda: proxy.entries)
    assert proxy.entries[0].response_flags == "DI,DC"
    await asyncio.sleep(0.08)
    assert origin.requests == []


async def test_a_grpc_status_is_told_in_the_clients_own_way(proxy, serve, make):
    fault = Fault(abort=FaultAbort(100, grpc_status=14))
    client = await serve(faulty(make, fault))
    status, fields, body = await client.get("/", "a", "content-type: application/grpc+proto")
    assert (status, body, fields["grpc-status"], fields["grpc-message"]) == (
        200,
        b"",
        "14",
        "fault filter abort",
    )
    assert fields["content-type"] == "application/grpc"
    status, fields, body = await client.get("/", "a", "content-type: application/grpc-web")
    assert (status, body, "grpc-status" in fields) == (200, b"fault filter abort", False)


def scripted(make, *steps, fault=None):
    return make.routes(Route(RouteMatch(), make.forward("c"), fault=fault, script=steps))


async def test_a_script_fails_by_count_and_goes_on_counting_when_routes_change(proxy, serve, make):
    origin = await proxy.origin()
    step = ScriptedFault("a", "first", 2, 503)
    client = await serve(scripted(make, step), make.cluster("c", origin.port))
    assert (await client.get())[0] == 503
    client = await serve(
        scripted(make, step, ScriptedFault("b", "every", 3, 500)), make.cluster("c", origin.port)
    )
    assert [(await client.get())[0] for _ in range(4)] == [503, 200, 500, 200]
    assert proxy.entries[0].response_flags == "FI"


async def test_a_scripted_delay_is_followed_by_the_rest(proxy, serve, make):
    origin = await proxy.origin()
    step = ScriptedFault("a", "first", 1, None, 0.05)
    client = await serve(scripted(make, step), make.cluster("c", origin.port))
    assert (await client.get())[0] == 200
    assert (proxy.entries[0].response_flags, proxy.entries[0].duration_s >= 0.05) == ("DI", True)
    both = scripted(make, step, fault=Fault(abort=FaultAbort(100, 555)))
    client = await serve(both, make.cluster("c", origin.port))
    assert (await client.get())[0] == 555


async def test_an_attempt_is_told_by_the_callers_sidecar(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(
        scripted(make, ScriptedFault("a", "attempt", 1, 503)), make.cluster("c", origin.port)
    )
    assert (await client.get())[0] == 503
    assert (await client.get("/", "a", "x-envoy-attempt-count: 2"))[0] == 200
