"""Which answers say that all is well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.health_check import HttpHealthCheck
from mesh.proxy.health_check.state import Outcome
from mesh.proxy.health_check.verdict import grpc_outcome, grpc_request, holds, http_outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, Outcome.PASSED), (201, Outcome.FAILED), (503, Outcome.FAILED)],
)
def test_by_default_only_200_is_well(status: int, outcome: Outcome) -> None:
    assert http_outcome(HttpHealthCheck("/"), status, b"") is outcome


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.PASSED),
        (299, Outcome.PASSED),
        (300, Outcome.FAILED),
        (429, Outcome.RETRIABLE),
        (404, Outcome.PASSED),
    ],
)
def test_statuses_that_are_expected_or_retriable(status: int, outcome: Outcome) -> None:
    rules = HttpHealthCheck(
        "/", expected_statuses=((200, 300), (404, 405)), retriable_statuses=((429, 430), (404, 405))
    )
    assert http_outcome(rules, status, b"") is outcome


def test_a_body_must_hold_the_parts_in_order_whatever_the_status() -> None:
    rules = HttpHealthCheck("/", receive=(b"db", b"up"), retriable_statuses=((500, 600),))
    assert http_outcome(rules, 200, b"the db is up") is Outcome.PASSED
    assert http_outcome(rules, 200, b"up: no db") is Outcome.FAILED
    assert http_outcome(rules, 500, b"db up") is Outcome.RETRIABLE
    assert http_outcome(rules, 500, b"") is Outcome.FAILED


@given(st.lists(st.binary(max_size=3)), st.binary(max_size=4))
def test_parts_are_found_where_they_stand_in_order(parts: list[bytes], between: bytes) -> None:
    assert holds(between.join([b"", *parts, b""]), parts)


GRPC = {b"content-type": b"application/grpc"}
WELL = {b"grpc-status": b"0"}
SERVING = b"\x00\x00\x00\x00\x02\x08\x01"


@pytest.mark.parametrize(
    "body",
    [
        SERVING,
        b"\x00\x00\x00\x00\x06\x08\x01\x12\x02hi",  # with a field of the future
        b"\x00\x00\x00\x00\x0b\x19" + b"\x00" * 8 + b"\x08\x01",
    ],
)
def test_grpc_serves_when_it_says_so(body: bytes) -> None:
    assert grpc_outcome(200, GRPC, body, WELL) is Outcome.PASSED


@pytest.mark.parametrize(
    ("status", "fields", "body", "trailers"),
    [
        (200, GRPC, b"\x00\x00\x00\x00\x02\x08\x02", WELL),  # NOT_SERVING
        (200, GRPC, b"\x00\x00\x00\x00\x00", WELL),  # UNKNOWN, which is 0 and not written
        (200, GRPC, b"", WELL),
        (200, GRPC, SERVING, {b"grpc-status": b"14"}),
        (200, GRPC, SERVING, {}),
        (200, {**GRPC, b"grpc-status": b"12"}, b"", {}),  # no health service
        (503, GRPC, SERVING, WELL),
        (200, {b"content-type": b"text/html"}, SERVING, WELL),
        (200, GRPC, SERVING + SERVING, WELL),  # two messages
        (200, GRPC, b"\x01" + SERVING[1:], WELL),  # compressed
        (200, GRPC, b"\x00\x00\x00\x00\x01\x08", WELL),  # cut off
        (200, GRPC, b"\x00\x00\x00\x00\x04\x12\x7fhi", WELL),
        (200, GRPC, b"\x00\x00\x00\x00\x02\x0b\x01", WELL),  # no wire type of protobuf's
    ],
)
def test_all_else_is_not_well(status: int, fields, body: bytes, trailers) -> None:
    assert grpc_outcome(status, fields, body, trailers) is Outcome.FAILED


@pytest.mark.parametrize("name", ["", "a.B", "x" * 300])
def test_the_question_is_what_grpc_itself_would_write(name: str) -> None:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    file = descriptor_pb2.FileDescriptorProto(name="h.proto", package="h", syntax="proto3")
    file.message_type.add(name="Request").field.add(name="service", number=1, type=9, label=1)
    pool.Add(file)
    made = message_factory.GetMessageClass(pool.FindMessageTypeByName("h.Request"))(service=name)
    message = made.SerializeToString()
    assert grpc_request(name) == b"\x00" + len(message).to_bytes(4, "big") + message
