from __future__ import annotations

import pytest

from mesh.pilot.translate.hosts import covers, in_full, most_specific

HOST = "reviews.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("pattern", "verdict"),
    [
        (HOST, True),
        ("*", True),
        ("*.default.svc.cluster.local", True),
        ("*.other.svc.cluster.local", False),
        ("reviews", False),
        ("ratings.default.svc.cluster.local", False),
    ],
)
def test_what_a_host_covers(pattern: str, verdict: bool) -> None:
    assert covers(pattern, HOST) is verdict


def test_the_narrowest_covering_host_wins_and_ties_keep_their_order() -> None:
    pairs = [("*", 1), ("*.local", 2), ("*.default.svc.cluster.local", 3), ("*.default.svc.cluster.local", 4)]
    assert most_specific(HOST, pairs) == [3, 4]
    assert most_specific(HOST, [*pairs, (HOST, 5)]) == [5]
    assert most_specific(HOST, [("*.other", 1)]) == []


def test_short_names_are_services_beside_the_object() -> None:
    assert in_full("reviews", "default") == HOST
    assert in_full("shop.example.com", "default") == "shop.example.com"
    assert in_full("*", "default") == "*"
    assert in_full("*.example.com", "default") == "*.example.com"
