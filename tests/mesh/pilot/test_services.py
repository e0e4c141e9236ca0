from __future__ import annotations

from collections.abc import Callable

from mesh.model.node import Node, ServicePort
from mesh.pilot.services import (
    DeclaredService,
    Service,
    accounts_of,
    claimed_services,
    is_auto,
    is_http,
    services,
)

MakeNode = Callable[..., Node]
REVIEWS = "reviews.default.svc.cluster.local"


def members(service: Service) -> list[str]:
    return [instance.node.workload for instance in service.instances]


def only(found: tuple[Service, ...]) -> Service:
    (service,) = found
    return service


def test_a_service_is_what_its_workloads_claim(node: MakeNode) -> None:
    nodes = (node("reviews-v2", 2), node("reviews-v1", 1))
    service = only(services(nodes, claimed_services(nodes, ()), ()))
    assert (service.host, members(service)) == (REVIEWS, ["reviews-v1", "reviews-v2"])
    assert service.accounts == ("spiffe://cluster.local/ns/default/sa/bookinfo-reviews",)


def test_a_client_belongs_to_no_service(node: MakeNode) -> None:
    assert claimed_services((node("curl", service="", ports=()),), ()) == ()


def test_every_claimed_port_is_served_by_those_who_have_it(node: MakeNode) -> None:
    admin = ServicePort("http-admin", 9090, 8080)
    nodes = (node("reviews-v1", 1), node("reviews-v2", 2, ports=(ServicePort("web", 9080, 9081), admin)))
    service = only(services(nodes, claimed_services(nodes, ()), ()))
    assert [(port.name, port.number) for port in service.ports] == [("http", 9080), ("http-admin", 9090)]
    assert [instance.target(9080) for instance in service.instances] == [9080, 9081]
    assert [instance.target(9090) for instance in service.instances] == [None, 8080]


def test_a_claimed_service_outlives_its_workloads(node: MakeNode) -> None:
    remembered = claimed_services((node(),), ())
    assert claimed_services((), remembered) == remembered
    service = only(services((), remembered, ()))
    assert (service.host, service.instances) == (REVIEWS, ())
    assert service.accounts == accounts_of((node(),))


def test_a_service_object_selects_by_labels_in_its_namespace(node: MakeNode) -> None:
    nodes = (
        node("reviews-v1", 1),
        node("reviews-v2", 2),
        node("reviews-v2", 3, namespace="other", name="elsewhere", service=""),
    )
    declared = DeclaredService(
        "reviews",
        "default",
        (ServicePort("http-web", 80, 9080),),
        (9080,),
        (("app", "reviews"), ("version", "v2")),
    )
    service = only(services(nodes, claimed_services(nodes, ()), (declared,)))
    assert members(service) == ["reviews-v2"]
    assert [instance.target(80) for instance in service.instances] == [9080]
    assert [port.number for port in service.ports] == [80]


def test_a_service_object_without_selector_keeps_the_claiming_workloads(node: MakeNode) -> None:
    declared = DeclaredService("reviews", "default", (ServicePort("http", 9080, 9080),), (9080,))
    nodes = (node(), node("ratings-v1", 2))
    found = services(nodes, claimed_services(nodes, ()), (declared,))
    assert {service.name: members(service) for service in found} == {
        "ratings": ["ratings-v1"],
        "reviews": ["reviews-v1"],
    }


def test_a_target_port_may_be_a_name_of_the_workloads_own(node: MakeNode) -> None:
    nodes = (
        node("reviews-v1", 1, ports=(ServicePort("web", 9080, 8081),)),
        node("reviews-v2", 2, ports=(ServicePort("http", 9080, 9080),)),
    )
    declared = DeclaredService("reviews", "default", (ServicePort("http", 80, 80),), ("web",))
    service = only(services(nodes, (), (declared,)))
    assert [instance.target(80) for instance in service.instances] == [8081, None]


def test_a_port_is_http_bytes_or_asks_each_connection() -> None:
    assert [is_http(ServicePort("x", 1, 1, protocol)) for protocol in ("GRPC", "TCP", "AUTO")] == [
        True,
        False,
        False,
    ]
    assert is_auto(ServicePort("x", 1, 1, "AUTO"))
