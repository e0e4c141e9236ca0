from __future__ import annotations

import pytest

from mesh.http.message import Framing, Request
from mesh.proxy.internal import is_internal, networks, sanitize

INSIDE = networks(("10.0.0.0/8", "fc00::/7"))


def request(**fields: str) -> Request:
    named = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return Request(b"GET", b"/", b"a", named, [], Framing.NONE, True)


@pytest.mark.parametrize(
    ("forwarded_for", "internal"),
    [
        ("10.1.2.3", True),
        (" fc00::1 ", True),
        ("8.8.8.8", False),
        ("10.1.2.3, 10.1.2.4", False),
        ("unknown", False),
        ("", False),
        ("\u00e4", False),
    ],
)
def test_one_address_of_an_internal_network_makes_a_request_internal(forwarded_for: str, internal: bool):
    assert is_internal(request(x_forwarded_for=forwarded_for), INSIDE) is internal


def test_a_request_nobody_vouches_for_is_external():
    assert not is_internal(request(), INSIDE)


def test_two_fields_are_two_addresses():
    asked = request(x_forwarded_for="10.1.2.3")
    asked.repeats.append((b"x-forwarded-for", b"10.1.2.4"))
    assert not is_internal(asked, INSIDE)


def test_a_stranger_has_no_wishes():
    asked = request(x_envoy_retry_on="5xx", x_envoy_internal="true", x_envoy_ip_tags="a", x_other="kept")
    assert not sanitize(asked, INSIDE)
    assert asked.fields == {b"x-other": b"kept"}


def test_who_is_inside_may_ask_and_is_told_apart():
    asked = request(x_forwarded_for="10.1.2.3", x_envoy_retry_on="5xx", x_envoy_ip_tags="a")
    assert sanitize(asked, INSIDE)
    assert asked.fields[b"x-envoy-internal"] == b"true"
    assert asked.fields[b"x-envoy-ip-tags"] == b"a"


def test_what_is_no_cidr_is_refused():
    with pytest.raises(ValueError, match="10"):
        networks(("10.0.0.1/8",))
