import pytest

from mesh.http.message import Framing, Request, Response
from mesh.proxy.failure import MAX_DURATION, NO_HEALTHY_UPSTREAM
from mesh.proxy.grpc import grpc_reply, grpc_status, grpc_timeout, grpc_timeout_s, http_status_of, is_grpc
from mesh.proxy.reply import Reply, reply_for


def request(content_type=b"application/grpc"):
    return Request(b"POST", b"/t.T/U", b"a", {b"content-type": content_type}, [], Framing.CHUNKED, True)


@pytest.mark.parametrize("content_type", [b"application/grpc", b"application/grpc+proto"])
def test_grpc_by_content_type(content_type):
    assert is_grpc(content_type)


@pytest.mark.parametrize("content_type", [None, b"", b"application/grpc-web", b"application/json"])
def test_other_content_types_are_not(content_type):
    assert not is_grpc(content_type)


@pytest.mark.parametrize(
    ("http", "grpc"),
    [
        (400, 13),
        (401, 16),
        (403, 7),
        (404, 12),
        (429, 14),
        (502, 14),
        (503, 14),
        (504, 14),
        (500, 2),
        (301, 2),
    ],
)
def test_a_reply_to_grpc_says_what_the_status_means(http, grpc):
    reply = grpc_reply(Reply(http), request())
    assert reply.status == 200
    assert (b"grpc-status", b"%d" % grpc) in reply.fields
    assert (b"content-type", b"application/grpc") in reply.fields


def test_the_message_is_the_body_percent_encoded():
    reply = grpc_reply(Reply(503, b"100% n\xc3\xb6\n", fields=((b"retry-after", b"1"),)), request())
    assert dict(reply.fields)[b"grpc-message"] == b"100%25 n%C3%B6%0A"
    assert dict(reply.fields)[b"retry-after"] == b"1"
    assert reply.body == b""


def test_a_passed_deadline_is_deadline_exceeded_whatever_http_says():
    assert dict(grpc_reply(reply_for(MAX_DURATION), request()).fields)[b"grpc-status"] == b"4"
    assert dict(grpc_reply(reply_for(NO_HEALTHY_UPSTREAM), request()).fields)[b"grpc-status"] == b"14"


def test_others_get_the_reply_as_it_is():
    reply = Reply(503, b"x")
    assert grpc_reply(reply, request(b"text/plain")) is reply
    told = Reply(200, fields=((b"grpc-status", b"7"),))
    assert grpc_reply(told, request()) is told


def answer(fields, trailers=()):
    response = Response(200, fields, [], Framing.EOF, True)
    response.trailers = list(trailers)
    return response


def test_the_status_of_a_call():
    assert grpc_status(request(), answer({}, [(b"grpc-status", b"5")]), 200) == "5"
    assert grpc_status(request(), answer({b"grpc-status": b"7"}), 200) == "7"
    assert grpc_status(request(), Response(503, {}, [], Framing.LENGTH, True), 503) == "14"
    assert grpc_status(request(), None, 0) == ""
    assert grpc_status(request(b"text/plain"), answer({b"grpc-status": b"7"}), 200) == ""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"1H", 3600), (b"2M", 120), (b"3S", 3), (b"100m", 0.1), (b"5u", 5e-6), (b"7n", 7e-9), (b"0S", 0)],
)
def test_timeouts(value, seconds):
    assert grpc_timeout_s(value) == pytest.approx(seconds)


@pytest.mark.parametrize("value", [b"", b"1", b"S", b"-1S", b"1.5S", b"123456789S", b"1s"])
def test_what_is_no_timeout(value):
    assert grpc_timeout_s(value) is None


@pytest.mark.parametrize(
    ("status", "http"), [(b"0", 200), (b"14", 503), (b"16", 401), (b"17", 500), (b"x", 500)]
)
def test_a_status_in_the_head_is_what_an_answer_amounts_to(status, http):
    assert http_status_of(request(), answer({b"grpc-status": status})) == http
    assert http_status_of(request(b"text/plain"), answer({b"grpc-status": status})) == 200
    assert http_status_of(request(), answer({}, [(b"grpc-status", status)])) == 200, "trailers come too late"


@pytest.mark.parametrize(
    ("seconds", "value"),
    [
        (0.0, b"0m"),
        (1e-9, b"1m"),
        (0.1, b"100m"),
        (3600.0, b"3600000m"),
        (99_999.999, b"99999999m"),
        (100_000.0, b"100000S"),
        (1e9, b"16666666M"),
        (99_999_999 * 3600.0, b"99999999H"),
    ],
)
def test_a_timeout_is_written_in_milliseconds_as_long_as_they_fit(seconds, value):
    assert grpc_timeout(seconds) == value
