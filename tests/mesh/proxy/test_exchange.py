"""Requests through the proxy, over real sockets: what origin and client get, what is logged."""

import asyncio

from mesh.model.route import DirectResponse, Redirect


async def test_a_request_and_its_response_pass(proxy, serve, make):
    origin = await proxy.origin(
        b"HTTP/1.1 201 Whatever\r\nContent-Length: 2\r\nServer: app\r\nX-App: 1\r\n\r\nhi"
    )
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    status, fields, body = await client.get(
        "/a?b=c", "reviews:9080", "User-Agent: ua", "Connection: keep-alive"
    )
    assert (status, body) == (201, b"hi")
    assert fields["server"] == "istio-envoy"
    assert fields["x-app"] == "1"
    assert fields["x-envoy-upstream-service-time"].isdigit()
    assert "date" in fields
    (request,) = origin.requests
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /a?b=c HTTP/1.1"
    assert "host: reviews:9080" in lines
    assert "x-forwarded-proto: http" in lines
    assert "x-envoy-attempt-count: 1" in lines
    assert not [line for line in lines if line.startswith("connection")]
    assert [line for line in lines if line.startswith("x-request-id: ")]


async def test_the_entry_tells_what_happened(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    await client.get("/a", "reviews:9080", "User-Agent: ua", "x-request-id: id-1")
    (entry,) = proxy.entries
    assert (entry.reporter, entry.method, entry.path, entry.protocol) == ("source", "GET", "/a", "HTTP/1.1")
    assert (entry.authority, entry.response_code, entry.response_flags) == ("reviews:9080", 200, "-")
    assert (entry.response_code_details, entry.upstream_cluster) == ("via_upstream", "c")
    assert entry.upstream_host == f"127.0.0.1:{origin.port}"
    assert (entry.bytes_received, entry.bytes_sent, entry.user_agent) == (0, 2, "ua")
    assert entry.request_id == "id-1"
    assert entry.request_header_bytes > 50
    assert entry.upstream_service_time_s is not None
    assert entry.duration_s >= entry.upstream_service_time_s >= 0
    assert entry.upstream_local_address.startswith("127.0.0.1:")


async def test_connections_are_kept_on_both_sides(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    for _ in range(5):
        assert (await client.get())[0] == 200
    assert origin.connections == 1


async def test_pipelined_requests_are_answered_in_order_one_at_a_time(proxy, serve, make):
    origin = await proxy.origin()
    in_hand = 0

    async def respond(request, writer):
        nonlocal in_hand
        in_hand += 1
        assert in_hand == 1
        await asyncio.sleep(0.01)
        in_hand -= 1
        path = request.split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(path), path))

    origin.respond = respond
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % n for n in range(5)))
    assert [(await client.response())[2] for _ in range(5)] == [b"/%d" % n for n in range(5)]


async def test_a_pipelined_body_does_not_stall(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\ncontent-length: 6\r\n\r\nabc"
    )
    assert (await client.response())[0] == 200
    client.send(b"def")
    assert (await client.response())[0] == 200
    assert origin.requests[1].endswith(b"\r\n\r\nabcdef")


async def test_bodies_pass_with_their_framing(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
    assert (await client.response())[0] == 200
    assert origin.requests[0].endswith(b"\r\n\r\nhello")
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n")
    client.send(b"3\r\nyou\r\n0\r\nTrailer: x\r\n\r\n")
    assert (await client.response())[0] == 200
    assert b"transfer-encoding: chunked" in origin.requests[1]
    assert origin.requests[1].replace(b"\r\n3\r\n", b"").count(b"hello") == 1
    assert b"railer" not in origin.requests[1]
    assert proxy.entries[1].bytes_received == 8


async def test_a_chunked_response_passes_and_one_without_framing_becomes_chunked(proxy, serve, make):
    origin = await proxy.origin(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    assert (await client.get())[2] == b"hi"
    origin.response = b"HTTP/1.1 200 OK\r\n\r\nuntil the end"
    origin.close_after = True
    status, fields, body = await client.get()
    assert (status, body, fields["transfer-encoding"]) == (200, b"until the end", "chunked")
    assert (await client.get())[0] == 200


async def test_http_1_0_clients_get_no_chunks(proxy, serve, make):
    origin = await proxy.origin(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
    status, fields, body = await client.response()
    assert (status, body, fields["connection"]) == (200, b"hi", "close")
    assert "transfer-encoding" not in fields
    assert proxy.entries[0].protocol == "HTTP/1.0"


async def test_head_204_and_304_have_no_body(proxy, serve, make):
    origin = await proxy.origin(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n")
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    status, fields, _ = await client.response(has_body=False)
    assert (status, fields["content-length"]) == (200, "100")
    for code in (204, 304):
        origin.response = b"HTTP/1.1 %d X\r\netag: 1\r\n\r\n" % code
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        status, fields, _ = await client.response(has_body=False)
        assert status == code
        assert "transfer-encoding" not in fields
    assert origin.connections == 1


async def test_expect_continue_is_answered_here(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"ok")
    assert (await client.response())[0] == 200
    assert b"expect" not in origin.requests[0]
    assert origin.requests[0].endswith(b"ok")


async def test_absolute_form_goes_to_the_authority_it_names(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"GET http://reviews:9080/x HTTP/1.1\r\nHost: proxy\r\nProxy-Connection: keep-alive\r\n\r\n")
    assert (await client.response())[0] == 200
    assert origin.requests[0].startswith(b"GET /x HTTP/1.1\r\nhost: reviews:9080\r\n")
    assert b"proxy-connection" not in origin.requests[0]


async def test_a_connect_without_a_route_and_garbage_are_refused_and_logged(proxy, serve, make):
    client = await serve(DirectResponse(200))
    client.send(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
    status, fields, _ = await client.response()
    assert (status, fields["connection"]) == (404, "close")
    other = await serve(DirectResponse(200))
    other.send(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n")
    status, fields, body = await other.response()
    assert (status, fields["connection"], body) == (400, "close", b"Bad Request")
    assert await other.closed() == b""
    assert [entry.response_flags for entry in proxy.entries] == ["NR", "DPE"]
    assert proxy.entries[1].response_code_details.startswith("http1.codec_error")


async def test_good_requests_before_a_bad_one_are_answered(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nBad\r\n\r\n"
    )
    assert [(await client.response())[0] for _ in range(3)] == [200, 200, 400]
    assert await client.closed() == b""
    assert len(origin.requests) == 2


async def test_a_body_that_breaks_the_rules_is_never_completed(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
    await proxy.until(lambda: origin.connections)
    client.send(b"zz\r\n")
    assert (await client.response())[0] == 400
    assert origin.requests == []
    assert proxy.entries[0].response_flags == "DPE"


async def test_no_route_no_cluster_no_endpoint(proxy, serve, make):
    for action, clusters, expected in (
        (make.routes(), (), (404, "NR", "route_not_found", b"")),
        (make.forward("gone"), (), (503, "NC", "cluster_not_found", b"")),
        (make.forward("c"), (make.cluster("c"),), (503, "UH", "no_healthy_upstream", b"no healthy upstream")),
    ):
        client = await serve(action, *clusters)
        status, _, body = await client.get()
        entry = proxy.entries[-1]
        assert (status, entry.response_flags, entry.response_code_details, body) == expected
        assert (await client.get())[0] == status  # the connection lives on


async def test_a_refused_connection_is_503_uf(proxy, serve, make):
    client = await serve(make.forward("c"), make.cluster("c", make.free_port()))
    status, _, body = await client.get()
    entry = proxy.entries[0]
    assert (status, entry.response_flags) == (503, "UF")
    assert body == (
        b"upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
    )
    assert entry.response_code_details == (
        "upstream_reset_before_response_started"
        "{remote_connection_failure|delayed_connect_error:_Connection_refused}"
    )


async def test_a_broken_upstream_is_uc_and_a_broken_response_is_seen_as_such(proxy, serve, make):
    origin = await proxy.origin(b"")
    origin.close_after = True
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    assert (await client.get())[0] == 503
    assert proxy.entries[0].response_flags == "UC"
    origin.response = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert len((await client.closed()).partition(b"\r\n\r\n")[2]) < 10
    await proxy.until(lambda: len(proxy.entries) == 2)
    assert proxy.entries[1].response_flags == "UPE"  # as Envoy has it
    assert "after_response_started" in proxy.entries[1].response_code_details


async def test_an_untrustworthy_response_is_502_upe(proxy, serve, make):
    origin = await proxy.origin(
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    )
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    assert (await client.get())[0] == 502
    assert proxy.entries[0].response_flags == "UPE"


async def test_timeout_is_504_ut(proxy, serve, make):
    origin = await proxy.origin(b"")
    client = await serve(make.forward("c", timeout_s=0.05), make.cluster("c", origin.port))
    status, _, body = await client.get()
    assert (status, body) == (504, b"upstream request timeout")
    assert (proxy.entries[0].response_flags, proxy.entries[0].response_code_details) == (
        "UT",
        "response_timeout",
    )
    assert b"x-envoy-expected-rq-timeout-ms: 50" in origin.requests[0]


async def test_a_client_that_leaves_is_dc(proxy, serve, make):
    origin = await proxy.origin(b"")
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: origin.requests)
    client.writer.transport.abort()
    await proxy.until(lambda: proxy.entries)
    assert (proxy.entries[0].response_flags, proxy.entries[0].response_code) == ("DC", 0)
    assert proxy.worker.clusters["c"].breaker.requests.value == 0


async def test_connection_close_is_honoured(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    _, fields, _ = await client.get("/", "a", "Connection: close")
    assert fields["connection"] == "close"
    assert await client.closed() == b""


async def test_direct_response_and_redirect(proxy, serve, make):
    client = await serve(DirectResponse(418, b"teapot"))
    status, fields, body = await client.get()
    assert (status, body, fields["content-type"]) == (418, b"teapot", "text/plain")
    assert proxy.entries[0].response_code_details == "direct_response"
    client = await serve(Redirect(302, host="new", path="/there"))
    status, fields, _ = await client.get("/here?q=1", "old:9080")
    assert (status, fields["location"]) == (302, "http://new:9080/there?q=1")


async def test_big_bodies_pass_both_ways_with_bounded_memory(proxy, serve, make):
    size = 8_000_000
    origin = await proxy.origin(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size)
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"y" * size)
    await proxy.until(lambda: origin.requests)
    assert len(origin.requests[0]) > size
    held = max(
        len(chain.live) and connection.transport.get_write_buffer_size()
        for listener in proxy.config.listeners.values()
        for chain in listener.chains.values()
        for connection in chain.live
    )
    assert held < 2_000_000
    status, _, body = await client.response()
    assert (status, len(body)) == (200, size)
    assert (await client.get())[0] == 200


async def test_an_answer_before_the_end_of_the_request_closes_both_sides(proxy, serve, make):
    async def early(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 X\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(early, "127.0.0.1", 0)
    client = await serve(make.forward("c"), make.cluster("c", server.sockets[0].getsockname()[1]))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
    status, fields, _ = await client.response()
    assert (status, fields["connection"]) == (413, "close")
    assert await client.closed() == b""
    server.close()
