from __future__ import annotations

import pytest

from mesh.model.identity import SpiffeId


def test_the_uri_is_istios() -> None:
    assert str(SpiffeId("default", "reviews")) == "spiffe://cluster.local/ns/default/sa/reviews"


def test_parse_is_the_inverse_of_str() -> None:
    identity = SpiffeId("prod", "a.b-c", "example.org")
    assert SpiffeId.parse(str(identity)) == identity


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "spiffe://cluster.local/ns/default",
        "spiffe://cluster.local/ns/default/sa/",
        "spiffe://cluster.local/ns/default/sa/x/y",
        "https://cluster.local/ns/default/sa/x",
        "spiffe://cluster.local/ns/default/sa/x\n",
        "spiffe://CLUSTER/ns/default/sa/x",
    ],
)
def test_what_is_not_istio_shaped_is_refused_with_the_text(uri: str) -> None:
    with pytest.raises(ValueError, match="expected spiffe://"):
        SpiffeId.parse(uri)
