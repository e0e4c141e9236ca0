"""What the tests of pilot share: nodes, configuration from YAML text, worlds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from mesh.galley.api.kinds import KINDS
from mesh.galley.snapshot import ConfigSnapshot, make_snapshot
from mesh.model.node import Node, ServicePort
from mesh.pilot.declared import declared_services
from mesh.pilot.entries import with_entries
from mesh.pilot.services import claimed_services, services
from mesh.pilot.world import World

MakeNode = Callable[..., Node]
MakeConfig = Callable[[str], ConfigSnapshot]
MakeWorld = Callable[..., World]


def parse_config(text: str) -> ConfigSnapshot:
    return read_config(raw for raw in yaml.safe_load_all(text) if raw is not None)


def read_config(objects: Iterable[dict[str, Any]]) -> ConfigSnapshot:
    return make_snapshot(KINDS[raw["kind"]].model.model_validate(raw) for raw in objects)


def make_node(workload: str = "reviews-v1", number: int = 1, **changes: Any) -> Node:
    """Bookinfo's workload of that name, as the process runtime would start it."""
    app, _, version = workload.partition("-")
    node = Node(
        name=f"{workload}-0",
        namespace="default",
        address=f"127.70.{number}.2",
        service_account=f"bookinfo-{app}",
        workload=workload,
        service=app,
        ports=(ServicePort("http", 9080, 9080),),
        labels={"app": app, "version": version},
        app_address=f"127.70.{number}.1",
        interception="NONE",
    )
    return replace(node, **changes)


BOOKINFO = ("productpage-v1", "details-v1", "reviews-v1", "reviews-v2", "reviews-v3", "ratings-v1")


def make_bookinfo(**changes: Any) -> tuple[Node, ...]:
    return tuple(make_node(name, number, **changes) for number, name in enumerate(BOOKINFO, 1))


def make_world(nodes: Any = None, text: str = "", config: Any = None, registry_only: bool = False) -> World:
    nodes = make_bookinfo() if nodes is None else tuple(nodes)
    config = parse_config(text) if config is None else config
    declared = declared_services(config.services)
    known = services(nodes, claimed_services(nodes, ()), declared)
    return World(config, with_entries(known, config.service_entries, nodes), registry_only=registry_only)


@pytest.fixture
def node() -> MakeNode:
    return make_node


@pytest.fixture
def bookinfo() -> Callable[..., tuple[Node, ...]]:
    return make_bookinfo


@pytest.fixture
def config() -> MakeConfig:
    return parse_config


@pytest.fixture
def as_config() -> Callable[[Iterable[dict[str, Any]]], ConfigSnapshot]:
    return read_config


@pytest.fixture
def world() -> MakeWorld:
    return make_world
