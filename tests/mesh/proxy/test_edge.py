"""What is made of a request at the edge; ``tests/conformance/test_gateway.py`` holds it against Envoy."""

from __future__ import annotations

import pytest

from mesh.http.message import Framing, Request
from mesh.proxy.edge import admit
from mesh.proxy.internal import networks

INSIDE = networks(("10.0.0.0/8",))


def request(*repeats: tuple[bytes, bytes], **fields: str) -> Request:
    found = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return Request(b"GET", b"/", b"site.example", found, list(repeats), Framing.NONE, True)


@pytest.mark.parametrize(
    ("remote", "fields", "expected"),
    [
        (b"10.0.0.1", {}, "10.0.0.1"),
        (b"10.0.0.1", {"x_forwarded_for": "1.1.1.1"}, "1.1.1.1,10.0.0.1"),
        (b"::1", {"x_forwarded_for": ""}, ",::1"),
    ],
)
def test_the_clients_address_is_written_down(remote: bytes, fields: dict[str, str], expected: str) -> None:
    made = request(**fields)
    admit(made, remote, b"http", INSIDE)
    assert made.fields[b"x-forwarded-for"] == expected.encode()


def test_several_fields_become_one() -> None:
    made = request((b"x-forwarded-for", b"2.2.2.2"), x_forwarded_for="1.1.1.1")
    admit(made, b"10.0.0.1", b"http", INSIDE)
    assert made.fields[b"x-forwarded-for"] == b"1.1.1.1,2.2.2.2,10.0.0.1"
    assert made.repeats == []


def test_what_it_came_over_is_what_the_connection_says() -> None:
    made = request(x_forwarded_proto="https")
    admit(made, b"10.0.0.1", b"http", INSIDE)
    assert made.fields[b"x-forwarded-proto"] == b"http"


def test_a_client_inside_may_have_wishes() -> None:
    made = request(x_envoy_max_retries="3", x_request_id="mine")
    assert admit(made, b"10.0.0.1", b"http", INSIDE)
    assert made.fields[b"x-request-id"] == b"mine"
    assert made.fields[b"x-envoy-internal"] == b"true"


@pytest.mark.parametrize("fields", [{}, {"x_forwarded_for": "10.0.0.9"}])
def test_others_have_none_and_are_told_by_their_address(fields: dict[str, str]) -> None:
    made = request(x_envoy_max_retries="3", x_request_id="mine", x_envoy_internal="true", **fields)
    remote = b"10.0.0.1" if fields else b"192.0.2.1"
    assert not admit(made, remote, b"https", INSIDE)
    assert made.fields[b"x-envoy-external-address"] == remote
    assert not {b"x-envoy-max-retries", b"x-request-id", b"x-envoy-internal"} & made.fields.keys()
