"""Further attempts over real sockets: which failures get one, where it goes, and what is never sent twice."""

import asyncio
import gc

from mesh.model.cluster import CircuitBreaker, RetryBudget
from mesh.model.route import RetryPolicy
from mesh.proxy.exchange import Exchange

ISTIO = ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes")
UNAVAILABLE = b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
INSIDE = "x-forwarded-for: 127.0.0.1"


def retry(*words, attempts=2, **options):
    return RetryPolicy(attempts, words or ISTIO, base_interval_s=0.001, **options)


async def test_a_dead_endpoint_is_avoided(proxy, serve, make):
    origin = await proxy.origin()
    cluster = make.cluster("c", make.free_port(), origin.port, lb_policy="ROUND_ROBIN")
    client = await serve(make.forward("c", retry=retry()), cluster)
    for _ in range(6):
        assert (await client.get())[0] == 200
    counts = {line for r in origin.requests for line in r.decode().split("\r\n") if "attempt-count" in line}
    assert counts == {"x-envoy-attempt-count: 1", "x-envoy-attempt-count: 2"}
    assert proxy.worker.stats.counter("cluster.c.upstream_rq_retry").value >= 3


async def test_a_post_is_sent_again_only_when_it_surely_was_not_sent(proxy, serve, make):
    origin = await proxy.origin()
    cluster = make.cluster("c", make.free_port(), origin.port, lb_policy="ROUND_ROBIN")
    client = await serve(make.forward("c", retry=retry()), cluster)
    for _ in range(2):
        client.send(POST)
        assert (await client.response())[0] == 200
    assert all(request.endswith(b"\r\n\r\nhi") for request in origin.requests)
    origin.response = UNAVAILABLE
    client = await serve(
        make.forward(
            "c", retry=retry("5xx", "retriable-status-codes", "reset", retriable_status_codes=(503,))
        ),
        make.cluster("c", origin.port),
    )
    before = len(origin.requests)
    client.send(POST)
    assert (await client.response())[0] == 503
    assert len(origin.requests) == before + 1


async def test_a_status_is_retried_and_the_limit_is_told(proxy, serve, make):
    origin = await proxy.origin(UNAVAILABLE)
    client = await serve(
        make.forward("c", retry=retry(retriable_status_codes=(503,))), make.cluster("c", origin.port)
    )
    assert (await client.get())[0] == 503
    assert len(origin.requests) == 3
    assert proxy.entries[0].response_flags == "URX"
    assert proxy.entries[0].response_code_details == "via_upstream"
    assert origin.connections == 1


async def test_a_failed_connection_after_all_attempts_is_uf_urx(proxy, serve, make):
    client = await serve(make.forward("c", retry=retry()), make.cluster("c", make.free_port()))
    assert (await client.get())[0] == 503
    assert proxy.entries[0].response_flags == "UF,URX"


async def test_the_keep_alive_race_is_run_again_on_a_fresh_connection(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    assert (await client.get())[0] == 200

    async def vanish(request, writer):
        origin.respond = origin._respond
        writer.transport.abort()

    origin.respond = vanish
    assert (await client.get())[0] == 200
    assert origin.connections == 2


async def test_the_keep_alive_race_never_repeats_a_post(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c", retry=retry()), make.cluster("c", origin.port))
    assert (await client.get())[0] == 200

    async def vanish(request, writer):
        writer.transport.abort()

    origin.respond = vanish
    client.send(POST)
    assert (await client.response())[0] == 503
    assert len(origin.requests) == 2


async def test_a_chunked_put_is_replayed_whole(proxy, serve, make):
    origin = await proxy.origin(UNAVAILABLE)

    async def then_good(request, writer):
        writer.write(UNAVAILABLE)
        origin.response = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        origin.respond = origin._respond

    origin.respond = then_good
    client = await serve(make.forward("c", retry=retry("5xx")), make.cluster("c", origin.port))
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert (await client.response())[0] == 200
    assert [r.partition(b"\r\n\r\n")[2] for r in origin.requests] == [b"3\r\nabc\r\n0\r\n\r\n"] * 2


async def test_a_big_put_is_sent_once(proxy, serve, make):
    origin = await proxy.origin(UNAVAILABLE)
    client = await serve(make.forward("c", retry=retry("5xx")), make.cluster("c", origin.port))
    client.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
    assert (await client.response())[0] == 503
    assert len(origin.requests) == 1


async def test_per_try_timeout(proxy, serve, make):
    origin = await proxy.origin(b"")
    policy = retry("5xx", attempts=1, per_try_timeout_s=0.03)
    client = await serve(make.forward("c", retry=policy), make.cluster("c", origin.port))
    assert (await client.get())[0] == 504
    assert proxy.entries[0].response_code_details == "upstream_per_try_timeout"
    assert proxy.entries[0].response_flags == "UT,URX"
    assert len(origin.requests) == 2


async def test_the_breaker_limits_what_is_in_hand(proxy, serve, make):
    origin = await proxy.origin(b"")
    limits = CircuitBreaker(max_requests=1)
    client = await serve(make.forward("c"), make.cluster("c", origin.port, circuit_breaker=limits))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: origin.requests)
    port = client.writer.get_extra_info("peername")[1]
    other = await proxy.client(port)
    status, fields, body = await other.get()
    assert (status, fields["x-envoy-overloaded"]) == (503, "true")
    assert body.endswith(b"reset reason: overflow")
    assert proxy.entries[0].response_flags == "UO"


async def test_waiting_for_one_connection_when_no_more_are_allowed(proxy, serve, make):
    origin = await proxy.origin()
    limits = CircuitBreaker(max_connections=1)
    client = await serve(make.forward("c"), make.cluster("c", origin.port, circuit_breaker=limits))
    port = client.writer.get_extra_info("peername")[1]
    clients = [await proxy.client(port) for _ in range(5)]
    for each in clients:
        each.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [(await each.response())[0] for each in clients] == [200] * 5
    assert origin.connections == 1
    breaker = proxy.worker.clusters["c"].breaker
    assert (breaker.pending, breaker.requests.value, breaker.connections) == (0, 0, 1)


async def test_a_post_is_repeated_when_the_policy_or_the_caller_asks_for_it(proxy, serve, make):
    origin = await proxy.origin(UNAVAILABLE)
    asked = retry("5xx", "non-idempotent", attempts=1)
    client = await serve(make.forward("c", retry=asked), make.cluster("c", origin.port))
    client.send(POST)
    assert (await client.response())[0] == 503
    assert [request.endswith(b"\r\n\r\nhi") for request in origin.requests] == [True, True]
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    asked = INSIDE.encode() + b"\r\nx-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 2"
    client.send(POST.replace(b"Host: a", b"Host: a\r\n" + asked))
    assert (await client.response())[0] == 503
    assert len(origin.requests) == 5
    assert b"retry-on" not in origin.requests[-1]
    assert b"x-envoy-attempt-count: 3" in origin.requests[-1]


async def test_a_grpc_status_in_the_head_is_retried(proxy, serve, make):
    bad = b"HTTP/1.1 200 OK\r\ngrpc-status: 14\r\ncontent-length: 0\r\n\r\n"
    origin = await proxy.origin(bad)
    client = await serve(make.forward("c", retry=retry()), make.cluster("c", origin.port))
    client.send(POST)
    status, fields, _ = await client.response()
    assert (status, fields["grpc-status"], len(origin.requests)) == (200, "14", 3)
    assert proxy.entries[0].response_flags == "URX"


async def test_a_header_named_by_the_caller_is_retried(proxy, serve, make):
    origin = await proxy.origin(b"HTTP/1.1 200 OK\r\nx-again: 1\r\ncontent-length: 0\r\n\r\n")
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    asked = (INSIDE, "x-envoy-retry-on: retriable-headers", "x-envoy-retriable-header-names: x-again")
    assert (await client.get("/", "a", *asked))[0] == 200
    assert len(origin.requests) == 2


async def test_the_caller_sets_the_time_limits(proxy, serve, make):
    origin = await proxy.origin(b"")
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    status, _, _ = await client.get("/", "a", INSIDE, "x-envoy-upstream-rq-timeout-ms: 30")
    assert (status, proxy.entries[0].response_code_details) == (504, "response_timeout")
    assert b"x-envoy-expected-rq-timeout-ms: 30\r\n" in origin.requests[0]
    status, _, _ = await client.get(
        "/", "a", INSIDE, "x-envoy-upstream-rq-per-try-timeout-ms: 20", "x-envoy-upstream-rq-timeout-ms: 5000"
    )
    assert (status, proxy.entries[1].response_code_details) == (504, "upstream_per_try_timeout")
    assert b"x-envoy-expected-rq-timeout-ms: 20\r\n" in origin.requests[1]


async def test_a_try_limit_that_is_no_less_than_the_whole_is_none(proxy, serve, make):
    origin = await proxy.origin(b"")
    policy = retry("5xx", per_try_timeout_s=0.03)
    client = await serve(make.forward("c", retry=policy, timeout_s=0.03), make.cluster("c", origin.port))
    assert (await client.get())[0] == 504
    assert proxy.entries[0].response_code_details == "response_timeout"
    assert len(origin.requests) == 1


async def test_the_budget_limits_retries_at_one_time(proxy, serve, make):
    origin = await proxy.origin(UNAVAILABLE)
    limits = CircuitBreaker(retry_budget=RetryBudget(20.0, 0))
    slow = RetryPolicy(2, ("5xx",), base_interval_s=0.001)
    client = await serve(
        make.forward("c", retry=slow), make.cluster("c", origin.port, circuit_breaker=limits)
    )
    assert (await client.get())[0] == 503
    assert len(origin.requests) == 1
    assert proxy.entries[0].response_flags == "UO"
    assert proxy.worker.stats.counter("cluster.c.upstream_rq_retry_overflow").value == 1


async def test_a_retry_is_counted_until_it_has_its_outcome(proxy, serve, make):
    origin = await proxy.origin(UNAVAILABLE)
    limits = CircuitBreaker(max_retries=1)
    client = await serve(
        make.forward("c", retry=retry("5xx", attempts=1)),
        make.cluster("c", origin.port, circuit_breaker=limits),
    )

    async def hang(request, writer):
        pass

    async def fail_once(request, writer):
        origin.respond = hang
        writer.write(UNAVAILABLE)

    origin.respond = fail_once
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: len(origin.requests) == 2)
    breaker = proxy.worker.clusters["c"].breaker
    assert breaker.retries == 1
    client.writer.transport.abort()
    await proxy.until(lambda: breaker.retries == 0)


async def test_a_retry_that_worked_is_counted(proxy, serve, make):
    origin = await proxy.origin()

    async def fail_once(request, writer):
        origin.respond = origin._respond
        writer.write(UNAVAILABLE)

    origin.respond = fail_once
    client = await serve(make.forward("c", retry=retry("5xx")), make.cluster("c", origin.port))
    assert (await client.get())[0] == 200
    assert proxy.worker.stats.counter("cluster.c.upstream_rq_retry_success").value == 1


async def test_a_request_that_was_retried_leaves_nothing_to_the_garbage_collector(proxy, serve, make):
    origin = await proxy.origin(UNAVAILABLE)
    client = await serve(
        make.forward("c", retry=retry(retriable_status_codes=(503,))), make.cluster("c", origin.port)
    )
    assert (await client.get())[0] == 503
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            assert (await client.get())[0] == 503
        await asyncio.sleep(0)
        assert (
            sum(isinstance(thing, Exchange) for thing in gc.get_objects()) <= 1
        )  # the last may be referred to
    finally:
        gc.enable()
