from __future__ import annotations

import pytest

from mesh.model.peer import UNKNOWN_PEER, Peer


def test_text_form_has_istios_five_parts() -> None:
    peer = Peer("reviews-v1", "default", "reviews", "v1", "app", "version", "Kubernetes")
    assert peer.to_text() == "reviews-v1;default;reviews;v1;Kubernetes"


def test_app_and_version_of_a_text_are_the_canonical_ones() -> None:
    peer = Peer.from_text("reviews-v1;default;reviews;v1;Kubernetes")
    assert (peer.app, peer.version) == ("reviews", "v1")
    assert Peer.from_text(peer.to_text()) == peer


@pytest.mark.parametrize("text", ["", "a;b;c;d", "a;b;c;d;e;f"])
def test_another_number_of_parts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected name;namespace;service;revision;cluster"):
        Peer.from_text(text)


def test_nothing_known_is_unknown_and_latest() -> None:
    assert (UNKNOWN_PEER.workload, UNKNOWN_PEER.canonical_revision) == ("unknown", "latest")
