import pytest

from mesh.http.errors import RequestError
from mesh.proxy import failure
from mesh.proxy.failure import Failure, Kind, Stage, connection_failure
from mesh.proxy.reply import Reply, details_of, flag_of, reply_for, reply_to_bad_request

PREFIX = b"upstream connect error or disconnect/reset before headers. reset reason: "


@pytest.mark.parametrize(
    ("cause", "status", "flags", "details", "body"),
    [
        (failure.NO_ROUTE, 404, "NR", "route_not_found", b""),
        (failure.NO_CLUSTER, 503, "NC", "cluster_not_found", b""),
        (failure.NO_HEALTHY_UPSTREAM, 503, "UH", "no_healthy_upstream", b"no healthy upstream"),
        (failure.TIMEOUT, 504, "UT", "response_timeout", b"upstream request timeout"),
        (failure.PER_TRY_TIMEOUT, 504, "UT", "upstream_per_try_timeout", b"upstream request timeout"),
        (
            failure.OVERFLOW,
            503,
            "UO",
            "upstream_reset_before_response_started{overflow}",
            PREFIX + b"overflow",
        ),
        (
            failure.CONNECTION_TIMEOUT,
            503,
            "UF",
            "upstream_reset_before_response_started{connection_timeout}",
            PREFIX + b"connection timeout",
        ),
        (
            connection_failure("delayed connect error: Connection refused"),
            503,
            "UF",
            "upstream_reset_before_response_started"
            "{remote_connection_failure|delayed_connect_error:_Connection_refused}",
            PREFIX + b"remote connection failure",
        ),
        (
            Failure(Kind.CONNECTION_TERMINATION, Stage.SEND, False),
            503,
            "UC",
            "upstream_reset_before_response_started{connection_termination}",
            PREFIX + b"connection termination",
        ),
        (
            Failure(Kind.PROTOCOL_ERROR, Stage.SEND, False),
            502,
            "UPE",
            "upstream_reset_before_response_started{protocol_error}",
            PREFIX + b"protocol error",
        ),
    ],
)
def test_each_failure_has_envoys_status_flag_details_and_body(cause, status, flags, details, body):
    reply = reply_for(cause)
    assert (reply.status, reply.flags, reply.details, reply.body) == (status, flags, details, body)


def test_every_kind_has_a_flag():
    assert {kind for kind in Kind if not flag_of(Failure(kind, Stage.SEND, False))} == set()


def test_exhausted_retries_are_told():
    assert reply_for(connection_failure("x"), retries_exhausted=True).flags == "UF,URX"


def test_the_body_says_that_it_was_retried_and_keeps_the_transports_words_to_the_log():
    body = reply_for(connection_failure("CERTIFICATE_VERIFY_FAILED"), retries=1).body
    assert body.endswith(b"headers. retried and the latest reset reason: remote connection failure")


def test_after_the_response_started():
    broken = Failure(Kind.CONNECTION_TERMINATION, Stage.RESPONSE, False)
    assert details_of(broken) == "upstream_reset_after_response_started{connection_termination}"


def test_overflow_says_overloaded():
    assert reply_for(failure.OVERFLOW).make_response(b"GET").fields[b"x-envoy-overloaded"] == b"true"


def test_bad_requests_close_with_the_phrase():
    reply = reply_to_bad_request(RequestError("http1.codec_error", 431))
    assert (reply.status, reply.flags) == (431, "DPE")
    assert reply.body == b"Request Header Fields Too Large"


def test_a_reply_without_body_says_so():
    assert Reply(404).make_response(b"GET").fields == {b"content-length": b"0"}
    assert Reply(204).make_response(b"GET").fields == {}
