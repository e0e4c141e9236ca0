"""The containers of a pod: who they run as, what they may, what they are told."""

from __future__ import annotations

import pytest

from mesh.platform.docker import pod
from mesh.platform.docker.interception import Interception
from mesh.platform.topology import Workload, parse_ports
from mesh.proxy.__main__ import node_of
from mesh.proxy.__main__ import parser as proxy_parser

REVIEWS = Workload(
    "reviews-v1",
    ("serve",),
    service="reviews",
    service_account="bookinfo-reviews",
    ports=parse_ports("reviews-v1", "http:9080:8080"),
    labels={"app": "reviews", "version": "v1"},
)

INGRESS = Workload("ingress", (), namespace="istio-system", type="router", labels={"istio": "ingress"})


@pytest.mark.parametrize(
    "service",
    [
        pod.pause("i", REVIEWS),
        pod.sidecar("i", REVIEWS),
        pod.router("i", INGRESS),
        pod.control_plane("i"),
        pod.identities("i", {"default/a": "/identity/default/a"}),
    ],
    ids=["pause", "sidecar", "router", "control-plane", "identities"],
)
def test_no_container_is_privileged_or_keeps_what_it_need_not(service: pod.Service) -> None:
    assert "privileged" not in service
    assert service["cap_drop"] == ["ALL"]
    assert "ALL" not in service.get("cap_add", [])
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True


def test_the_control_plane_is_not_root() -> None:
    assert pod.control_plane("i")["user"] == "1337:1337"


def test_what_the_sidecar_is_told_is_what_meshctl_proxy_understands() -> None:
    """The entry adds the two options that only the running pod knows."""
    command = pod.sidecar("i", REVIEWS, dataplane="envoy")["command"]
    words = command[command.index("proxy") + 1 :]
    added = ["--control-plane", "istiod:15012", "--address", "10.0.0.7"]
    node = node_of(proxy_parser().parse_args([*words, *added]))
    assert (node.name, node.workload, node.service) == ("reviews-v1-0", "reviews-v1", "reviews")
    assert (node.address, node.interception, node.engine) == ("10.0.0.7", "REDIRECT", "envoy")
    assert [(port.number, port.target_port) for port in node.ports] == [(9080, 8080)]
    assert node.labels == REVIEWS.labels


def test_the_apps_own_ports_are_turned_round_not_the_services() -> None:
    command = pod.sidecar("i", REVIEWS, interception=Interception(exclude_inbound_ports=("22",)))["command"]
    entry = command[: command.index("--")]
    assert entry[-4:] == ["--exclude-inbound-ports", "22", "--inbound-ports", "8080"]


def test_another_entry_stands_in_meshctls_place() -> None:
    command = pod.sidecar("i", REVIEWS, entry=("python", "-m", "broken"))["command"]
    at = command.index("--")
    assert command[at + 1 : at + 5] == ["python", "-m", "broken", "proxy"]


def test_a_router_takes_over_nothing_and_is_never_root() -> None:
    made = pod.proxy("i", INGRESS)
    assert made["user"] == "1337:1337"
    assert "cap_add" not in made
    command = made["command"]
    assert "--stand-alone" in command[: command.index("--")]
    added = ["--control-plane", "istiod:15012", "--address", "10.0.0.7"]
    node = node_of(proxy_parser().parse_args([*command[command.index("proxy") + 1 :], *added]))
    assert (node.type, node.interception, node.namespace) == ("router", "NONE", "istio-system")
