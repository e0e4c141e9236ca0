from __future__ import annotations

from pathlib import Path

import pytest

from mesh.model.node import ServicePort
from mesh.platform.topology import (
    Topology,
    TopologyError,
    Workload,
    parse_ports,
    port_argument,
    read_topology,
    service_environment,
    workload_from_labels,
)

BOOKINFO = Path(__file__).parents[3] / "compose" / "bookinfo.yaml"


def one(**service: object) -> str:
    lines = [f"    {key}: {value}" for key, value in service.items()]
    return "services:\n  a:\n" + "\n".join(lines) + "\n"


def test_bookinfo_is_istios() -> None:
    topology = read_topology(BOOKINFO.read_text())
    assert {w.name: (w.service, w.version, w.service_account) for w in topology.workloads} == {
        "productpage-v1": ("productpage", "v1", "bookinfo-productpage"),
        "details-v1": ("details", "v1", "bookinfo-details"),
        "reviews-v1": ("reviews", "v1", "bookinfo-reviews"),
        "reviews-v2": ("reviews", "v2", "bookinfo-reviews"),
        "reviews-v3": ("reviews", "v3", "bookinfo-reviews"),
        "ratings-v1": ("ratings", "v1", "bookinfo-ratings"),
        "client": ("", "v1", "bookinfo-client"),
    }
    assert {port.number for workload in topology.servers() for port in workload.ports} == {9080}


def test_a_workload_is_found_by_its_name_and_by_its_pods() -> None:
    topology = read_topology(BOOKINFO.read_text())
    assert topology.workload("reviews-v2") is topology.workload("reviews-v2-0")
    with pytest.raises(KeyError):
        topology.workload("reviews-v9")


def test_labels_of_the_mesh_and_of_docker_are_no_workload_labels() -> None:
    labels = {"mesh.service": "a", "app": "a", "com.docker.compose.project": "p", "version": "v1"}
    workload = workload_from_labels("a-v1", labels, command=("true",))
    assert dict(workload.labels) == {"app": "a", "version": "v1"}
    assert (workload.service, workload.namespace, workload.service_account) == ("a", "default", "default")


@pytest.mark.parametrize(
    ("text", "ports"),
    [
        ("", ()),
        ("http:9080", (ServicePort("http", 9080, 9080, "HTTP"),)),
        (
            "http-web:80:8080, grpc:7070",
            (ServicePort("http-web", 80, 8080), ServicePort("grpc", 7070, 7070, "GRPC")),
        ),
        ("mystery:1", (ServicePort("mystery", 1, 1, "AUTO"),)),
    ],
)
def test_ports_have_the_protocol_of_their_name(text: str, ports: tuple[ServicePort, ...]) -> None:
    assert parse_ports("a", text) == ports


def test_a_port_survives_the_command_line() -> None:
    (port,) = parse_ports("a", "http-web:80:8080")
    assert parse_ports("a", port_argument(port)) == (port,)


def test_an_application_finds_a_service_as_kubernetes_tells_it() -> None:
    ports = parse_ports("db", "tcp-sql:5432,tcp-admin:5433:80")
    assert service_environment("my-db.default.svc.cluster.local", ports, "127.64.3.10") == {
        "MY_DB_SERVICE_HOST": "127.64.3.10",
        "MY_DB_SERVICE_PORT": "5432",
        "MY_DB_SERVICE_PORT_TCP_SQL": "5432",
        "MY_DB_SERVICE_PORT_TCP_ADMIN": "5433",
    }


def test_services_that_are_not_http_alone_are_found_by_their_hosts() -> None:
    label = '{mesh.service: db, mesh.port: "http:80,tcp:5432"}'
    topology = Topology((*read_topology(one(command="[x]", labels=label)).workloads, Workload("c", ("x",))))
    assert topology.byte_services() == {
        "db.default.svc.cluster.local": (ServicePort("tcp", 5432, 5432, "TCP"),)
    }


@pytest.mark.parametrize("text", ["9080", "http:web", "http:1:2:3", "http:"])
def test_a_malformed_port_names_its_service_and_label(text: str) -> None:
    with pytest.raises(TopologyError, match=r"services\.a\.labels\.mesh\.port: expected name:number"):
        parse_ports("a", text)


def test_lists_and_defaults_are_read_as_compose_reads_them() -> None:
    text = one(command="[run, '1']", image="'${IMAGE:-mesh:1}'", environment="[A=b=c, 'D=${E:-f}']")
    (workload,) = read_topology(text).workloads
    assert workload.command == ("run", "1")
    assert workload.image == "mesh:1"
    assert workload.environment == {"A": "b=c", "D": "f"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "mapping `services`"),
        ("services: []", "mapping `services`"),
        (one(command="sh -c x"), r"services\.a\.command: expected a list"),
        (one(command="[x]", labels="7"), r"services\.a\.labels: expected a mapping"),
        (one(command="[x]", labels="{mesh.type: gateway}"), r"labels\.mesh\.type: expected one of sidecar, "),
    ],
)
def test_what_is_no_topology_is_said_by_name(text: str, message: str) -> None:
    with pytest.raises(TopologyError, match=message):
        read_topology(text)


def test_a_router_has_no_application_and_so_no_command() -> None:
    text = "services: {a: {labels: {mesh.type: router}}, b: {command: [x], labels: {mesh.type: outside}}}"
    a, b = read_topology(text).workloads
    assert (a.type, a.command, b.type) == ("router", (), "outside")
