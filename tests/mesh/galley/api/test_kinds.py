"""The table of kinds."""

from __future__ import annotations

from mesh.galley.api.kinds import CORE_KINDS, KINDS, OTHER_ISTIO_KINDS


def test_each_kind_lists_the_versions_istio_serves():
    assert KINDS["VirtualService"].api_versions == (
        "networking.istio.io/v1",
        "networking.istio.io/v1beta1",
        "networking.istio.io/v1alpha3",
    )
    assert KINDS["PeerAuthentication"].api_versions == ("security.istio.io/v1", "security.istio.io/v1beta1")
    assert KINDS["Service"].api_versions == ("v1",)


def test_no_kind_is_both_read_and_refused():
    assert not OTHER_ISTIO_KINDS & KINDS.keys()
    assert "Service" in CORE_KINDS
