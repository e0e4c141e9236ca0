"""ServiceEntries are services: whose host it is, which workloads they select."""

from __future__ import annotations

from collections.abc import Callable

from mesh.model.node import Node
from mesh.pilot.services import EntryEndpoint
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.world import World

MakeWorld = Callable[..., World]
ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %s, namespace: default}
spec:
  hosts: [%s]
  location: %s
  resolution: %s
  ports: [{number: 80, name: web, protocol: HTTP, targetPort: 8080}, {number: 443, name: tls, protocol: TLS}]
"""


def test_a_host_of_dns_is_its_own_endpoint(world: MakeWorld) -> None:
    made = world((), ENTRY % ("a", "API.example.com", "MESH_EXTERNAL", "DNS"))
    service = made.service("api.example.com")
    assert service is not None
    assert service.entry is not None
    assert [(port.number, port.protocol) for port in service.ports] == [(80, "HTTP"), (443, "TLS")]
    assert service.entry.endpoints == (EntryEndpoint("api.example.com", ((80, 8080), (443, 443))),)
    assert service.entry.external


def test_a_host_the_mesh_has_stays_the_workloads(world: MakeWorld) -> None:
    host = "reviews.default.svc.cluster.local"
    made = world(text=ENTRY % ("a", host, "MESH_EXTERNAL", "DNS"))
    service = made.service(host)
    assert service is not None
    assert service.entry is None
    assert len(service.instances) == 3


def test_of_two_entries_the_first_by_name_has_the_host(world: MakeWorld) -> None:
    first = ENTRY % ("a", "x.example.com", "MESH_INTERNAL", "DNS")
    second = ENTRY % ("b", "x.example.com", "MESH_EXTERNAL", "DNS")
    service = world((), f"{second}---{first}").service("x.example.com")
    assert service is not None
    assert service.entry is not None
    assert not service.entry.external


def test_a_selector_takes_workloads_of_the_entrys_namespace(
    world: MakeWorld, node: Callable[..., Node]
) -> None:
    here, elsewhere = node("vm-v1", 1), node("vm-v1", 2, namespace="other")
    text = ENTRY % ("a", "vm.example.com", "MESH_INTERNAL", "STATIC")
    made = world((here, elsewhere), text + "  workloadSelector: {labels: {app: vm}}\n")
    service = made.service("vm.example.com")
    assert service is not None
    assert [(one.node, one.targets) for one in service.instances] == [(here, ((80, 8080), (443, 443)))]
    assert service.accounts == (str(here.spiffe_id),)


def test_whoever_answers_is_one_of_its_names_or_of_its_accounts(
    world: MakeWorld, node: Callable[..., Node]
) -> None:
    spiffe = "spiffe://cluster.local/ns/default/sa/"
    listed = """
  endpoints:
  - {address: 10.0.0.1, serviceAccount: vm}
  - {address: 10.0.0.2, serviceAccount: vm, labels: {security.istio.io/tlsMode: disabled}}
  - {address: 10.0.0.3}
  - {address: 10.0.0.4, serviceAccount: other}
"""
    entry = ENTRY % ("a", "vm.example.com", "MESH_INTERNAL", "STATIC")
    service = world((), entry + listed).service("vm.example.com")
    assert service is not None
    assert service.entry is not None
    assert service.accounts == (f"{spiffe}other", f"{spiffe}vm")
    assert [one.mtls for one in service.entry.endpoints] == [True, False, False, True]

    chosen = "  workloadSelector: {labels: {app: vm}}\n  subjectAltNames: [vm.example.com]\n"
    here = node("vm-v1", service_account="own")
    service = world((here,), entry + chosen).service("vm.example.com")
    assert service is not None
    assert service.accounts == (f"{spiffe}own", "vm.example.com")


def test_a_host_is_seen_where_it_is_exported_to(world: MakeWorld, node: Callable[..., Node]) -> None:
    first = ENTRY % ("a", "x.example.com", "MESH_INTERNAL", "DNS") + "  exportTo: [., away]\n"
    second = (ENTRY % ("b", "x.example.com", "MESH_EXTERNAL", "DNS")).replace(": default", ": other")
    hidden = ENTRY % ("c", "y.example.com", "MESH_EXTERNAL", "DNS") + "  exportTo: ['~']\n"
    made = world((node(),), f"{first}---{second}---{hidden}")
    seen = {name: made.seen_by(name).service("x.example.com") for name in ("default", "away", "other", "far")}
    assert {name: one and one.namespace for name, one in seen.items()} == {
        "default": "default",
        "away": "default",
        "other": "other",
        "far": "other",
    }
    assert made.seen_by("default").service("y.example.com") is None
    text = second.replace("other", "default", 1) + "  exportTo: [away]\n"
    assert world((), text).seen_by("default").service("x.example.com") is None
    clusters = {one.name for one in assemble(made, node()).clusters if "example" in one.name}
    assert clusters == {"outbound|80||x.example.com", "outbound|443||x.example.com"}


def test_what_nobody_sees_still_has_its_workloads(world: MakeWorld, node: Callable[..., Node]) -> None:
    """``exportTo: ["~"]``: known to its own workloads alone, as what comes to them."""
    vm = node("vm-v1", service="", ports=())
    text = ENTRY % ("a", "vm.example.com", "MESH_INTERNAL", "STATIC")
    made = world((vm,), text + "  workloadSelector: {labels: {app: vm}}\n  exportTo: ['~']\n")
    found = assemble(made, vm)
    assert [one.name for one in found.clusters if "8080" in one.name] == ["inbound|8080||"]


def test_worlds_that_all_see_alike_are_one(world: MakeWorld) -> None:
    made = world()
    assert made.seen_by("default") is made
