"""Snapshots are sorted, typed and frozen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest
from pydantic import ValidationError

from mesh.galley.parse import parse
from mesh.galley.snapshot import ConfigSnapshot, make_snapshot

Make = Callable[..., str]


def test_each_kind_stands_in_its_tuple_sorted_by_namespace_and_name(
    virtual_service: Make, destination_rule: Make
):
    texts = [virtual_service(name=n, namespace=s) for n, s in (("b", "x"), ("a", "y"), ("a", "x"))]
    parsed = parse("---\n".join([destination_rule("v1"), *texts]), "a.yaml")
    snapshot = make_snapshot((c.config for c in parsed.candidates.values()), 4)
    names = [(each.metadata.namespace, each.metadata.name) for each in snapshot.virtual_services]
    assert names == [("x", "a"), ("x", "b"), ("y", "a")]
    assert (snapshot.generation, len(snapshot.destination_rules)) == (4, 1)


def test_nothing_in_it_can_be_changed(virtual_service: Make):
    [candidate] = parse(virtual_service(), "a.yaml").candidates.values()
    snapshot = make_snapshot([candidate.config])
    with pytest.raises(FrozenInstanceError):
        snapshot.generation = 5  # type: ignore[misc]
    with pytest.raises(ValidationError):
        snapshot.virtual_services[0].spec.hosts = ()  # type: ignore[misc]
    assert ConfigSnapshot().virtual_services == ()
