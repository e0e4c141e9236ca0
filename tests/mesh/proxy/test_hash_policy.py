"""What a request's key is made from, and the cookie that a client gets for it."""

import pytest

from mesh.http.message import Framing, Request
from mesh.model.route import HashPolicy, Route, RouteMatch
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.hash_policy import cookie_value, query_value, request_key

INFO = ConnectionInfo("10.0.0.9:5000", "10.0.0.1:80")


def request(path: bytes = b"/", repeats=(), **fields: str) -> Request:
    made = {name.encode(): value.encode() for name, value in fields.items()}
    return Request(b"GET", path, b"a", made, list(repeats), Framing.NONE, True)


def key(policy: HashPolicy, made: Request, info: ConnectionInfo = INFO) -> int | None:
    return request_key((policy,), made, info)[0]


def test_without_the_header_there_is_no_key():
    assert key(HashPolicy("header", "x"), request()) is None
    assert key(HashPolicy("header", "x"), request(x="1")) == key(HashPolicy("header", "x"), request(x=" 1 "))
    assert key(HashPolicy("header", "x"), request(x="1")) != key(HashPolicy("header", "x"), request(x="2"))


def test_the_order_of_a_headers_values_means_nothing():
    one = request(x="a", repeats=[(b"x", b"b")])
    other = request(x="b", repeats=[(b"x", b"a")])
    assert key(HashPolicy("header", "x"), one) == key(HashPolicy("header", "x"), other)


def test_the_source_is_an_address_without_its_port():
    policy = HashPolicy("source_ip")
    again = ConnectionInfo("10.0.0.9:6000", "10.0.0.1:80")
    other = ConnectionInfo("10.0.0.8:5000", "10.0.0.1:80")
    assert key(policy, request(), again) == key(policy, request()) != key(policy, request(), other)


@pytest.mark.parametrize(
    ("path", "value"),
    [(b"/", None), (b"/?q=1", b"1"), (b"/?a=q&q=%31&q=2", b"%31"), (b"/?q", b""), (b"/?qq=1", None)],
)
def test_query_parameters(path, value):
    assert query_value(path, b"q") == value


@pytest.mark.parametrize(
    ("header", "value"), [("", b""), ("sid", b""), ("a=1; sid=x=y", b"x=y"), ('sid="q"; sid=2', b"q")]
)
def test_cookies(header, value):
    assert cookie_value(request(cookie=header), b"sid") == value


def test_two_equal_policies_do_not_cancel_out():
    policy = HashPolicy("header", "x")
    assert request_key((policy, policy), request(x="1"), INFO)[0] not in (None, 0)


async def test_a_client_without_the_cookie_gets_one_and_stays(proxy, serve, make):
    origins = [await proxy.origin() for _ in range(5)]
    policy = HashPolicy("cookie", "sid", "/shop", 3600.0)
    cluster = make.cluster("c", *(origin.port for origin in origins), lb_policy="MAGLEV")
    client = await serve(make.forward("c", hash_policies=(policy,)), cluster)
    _, fields, _ = await client.get()
    pair, *attributes = fields["set-cookie"].split("; ")
    assert attributes == ["Max-Age=3600", "Path=/shop", "HttpOnly"]
    [first] = [origin for origin in origins if origin.requests]
    for _ in range(5):
        _, fields, _ = await client.get("/", "a", f"cookie: {pair}")
        assert "set-cookie" not in fields
    assert len(first.requests) == 6


async def test_without_a_ttl_no_cookie_is_given(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(
        make.forward("c", hash_policies=(HashPolicy("cookie", "sid"),)),
        make.cluster("c", origin.port, lb_policy="RING_HASH"),
    )
    _, fields, _ = await client.get()
    assert "set-cookie" not in fields


@pytest.mark.envoy
async def test_the_cookie_has_envoys_form(proxy, serve, envoy, make):
    origin = await proxy.origin()
    policies = (HashPolicy("cookie", "a", "/p", 60.0), HashPolicy("cookie", "b", "", 0.0))
    forward = make.forward("c", hash_policies=policies)
    cluster = make.cluster("c", origin.port, lb_policy="RING_HASH")
    ours = await serve(forward, cluster)
    theirs = await envoy(make.routes(Route(RouteMatch(), forward)), cluster)
    forms = []
    for client in (ours, theirs):
        _, fields, _ = await client.get()
        cookies = fields["set-cookie"].split(", ")
        forms.append([(len(cookie.partition(";")[0]), cookie.partition(";")[2]) for cookie in cookies])
    assert forms[0] == forms[1]
