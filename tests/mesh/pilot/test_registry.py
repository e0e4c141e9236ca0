"""Joining and leaving the mesh, under a clock the tests turn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from mesh.model.identity import SpiffeId
from mesh.model.node import Node
from mesh.pilot.registry import LEAVE_GRACE_S, RESTART_GRACE_S, Registry
from mesh.xds.errors import Refused

MakeNode = Callable[..., Node]


def names(registry: Registry) -> list[str]:
    return [node.name for node in registry.nodes()]


def test_a_workload_is_there_as_long_as_its_stream(node: MakeNode) -> None:
    registry = Registry()
    lease = registry.join(node(), node().spiffe_id)
    assert names(registry) == ["reviews-v1-0"]
    assert registry.is_connected("reviews-v1-0.default")
    registry.leave(node(), lease, clean=True, now=0.0)
    assert names(registry) == []


def test_a_broken_stream_leaves_only_after_its_grace(node: MakeNode) -> None:
    registry = Registry()
    lease = registry.join(node(), None)
    registry.leave(node(), lease, clean=False, now=10.0)
    assert registry.next_expiry() == 10.0 + LEAVE_GRACE_S
    registry.expire(11.9)
    assert names(registry) == ["reviews-v1-0"]
    assert not registry.is_connected("reviews-v1-0.default")
    registry.expire(12.0)
    assert names(registry) == []
    assert registry.next_expiry() is None


def test_a_blip_changes_nothing_that_others_see(node: MakeNode) -> None:
    registry = Registry()
    lease = registry.join(node(), None)
    revision = registry.revision
    registry.leave(node(), lease, clean=False, now=0.0)
    registry.join(node(), None)
    registry.expire(100.0)
    assert names(registry) == ["reviews-v1-0"]
    assert registry.revision == revision


def test_the_late_end_of_an_old_stream_does_not_take_the_new_one_away(node: MakeNode) -> None:
    registry = Registry()
    old = registry.join(node(), None)
    registry.join(node(), None)
    registry.leave(node(), old, clean=True, now=0.0)
    assert names(registry) == ["reviews-v1-0"]


def test_a_restart_serves_who_was_known_until_they_return_or_the_grace_ends(node: MakeNode) -> None:
    registry = Registry()
    v1, v2 = node("reviews-v1", 1), node("reviews-v2", 2)
    registry.restore([v1, v2], now=0.0)
    assert names(registry) == ["reviews-v1-0", "reviews-v2-0"]
    registry.join(v1, None)
    registry.expire(RESTART_GRACE_S)
    assert names(registry) == ["reviews-v1-0"]


def test_restoring_does_not_overrule_who_is_connected(node: MakeNode) -> None:
    registry = Registry()
    registry.join(node(), None)
    revision = registry.revision
    registry.restore([replace(node(), address="127.70.9.2")], now=0.0)
    assert registry.nodes() == (node(),)
    assert registry.revision == revision


def test_a_node_claiming_what_its_token_does_not_say_is_refused(node: MakeNode) -> None:
    registry = Registry()
    with pytest.raises(Refused, match=r"claims spiffe://.*/sa/bookinfo-reviews, its token is for .*/sa/evil"):
        registry.join(node(), SpiffeId("default", "evil"))
    assert registry.nodes() == ()


def test_a_live_name_is_not_given_to_another_account(node: MakeNode) -> None:
    registry = Registry()
    lease = registry.join(node(), None)
    taker = node(service_account="other")
    with pytest.raises(Refused, match=r"is connected as .*bookinfo-reviews already"):
        registry.join(taker, taker.spiffe_id)
    registry.leave(node(), lease, clean=False, now=0.0)
    registry.join(taker, taker.spiffe_id)
    assert registry.nodes() == (taker,)


def test_an_address_belongs_to_the_last_who_claimed_it(node: MakeNode) -> None:
    registry = Registry()
    registry.join(node("reviews-v1", 1), None)
    lease = registry.join(node("reviews-v2", 1), None)
    assert names(registry) == ["reviews-v2-0"]
    client = node("curl", 1, ports=())
    registry.join(client, None)
    assert names(registry) == ["curl-0", "reviews-v2-0"], "who listens on nothing takes nothing away"
    registry.leave(node("reviews-v2", 1), lease, clean=True, now=0.0)


def test_a_workload_that_comes_back_changed_is_a_change(node: MakeNode) -> None:
    registry = Registry()
    registry.join(node(), None)
    revision = registry.revision
    registry.join(node(labels={"app": "reviews", "version": "v9"}), None)
    assert registry.revision == revision + 1
