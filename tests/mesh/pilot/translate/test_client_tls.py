"""TLS to servers outside the mesh: what a DestinationRule makes of a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from labs.harness.authority import Authority
from mesh.model import names
from mesh.model.cluster import Cluster
from mesh.model.node import Node
from mesh.model.tls import UpstreamTls
from mesh.pilot.translate.clusters import clusters
from mesh.pilot.world import World

HOST = "api.example"
ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api, namespace: default}
spec:
  hosts: [api.example]
  ports: [{number: 80, name: PROTOCOL, protocol: PROTOCOL, targetPort: 443}]
  location: MESH_EXTERNAL
  resolution: DNS
  MORE
---
"""


def rule(tls: str) -> str:
    return policies(f"trafficPolicy: {{tls: {tls}}}")


def policies(more: str) -> str:
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: api, namespace: default}}
spec: {{host: api.example, {more}}}
---
"""


def entry(protocol: str = "http", more: str = "") -> str:
    return ENTRY.replace("PROTOCOL", protocol).replace("MORE", more)


def found(made: World, node: Node, subset: str = "", port: int = 80) -> Cluster | None:
    name = names.outbound_cluster(port, subset, HOST)
    return next((cluster for cluster in clusters(made, node) if cluster.name == name), None)


@pytest.mark.parametrize(
    ("tls", "expected"),
    [
        ("{mode: SIMPLE}", UpstreamTls(HOST, (), (HOST,), "", names.SYSTEM_ROOTS)),
        ("{mode: SIMPLE, sni: x.example}", UpstreamTls("x.example", (), (), "", names.SYSTEM_ROOTS)),
        (
            "{mode: SIMPLE, caCertificates: /r.pem, subjectAltNames: [b.example, a.example]}",
            UpstreamTls(HOST, (), ("a.example", "b.example"), "", "file-root:/r.pem"),
        ),
        ("{mode: SIMPLE, caCertificates: system}", UpstreamTls(HOST, (), (HOST,), "", names.SYSTEM_ROOTS)),
        ("{mode: SIMPLE, insecureSkipVerify: true}", UpstreamTls(HOST, (), (), "", "")),
        (
            "{mode: MUTUAL, clientCertificate: /c.pem, privateKey: /k.pem}",
            UpstreamTls(HOST, (), (HOST,), "file-cert:/c.pem~/k.pem", names.SYSTEM_ROOTS),
        ),
        ("{mode: DISABLE}", None),
    ],
)
def test_a_rule_says_how_a_sidecar_originates_tls(
    world: Any, node: Any, tls: str, expected: UpstreamTls | None
) -> None:
    cluster = found(world((node(),), entry() + rule(tls)), node())
    assert cluster is not None
    assert cluster.tls == expected
    assert not cluster.tls_by_endpoint


MUTUAL = "{mode: MUTUAL, clientCertificate: /c.pem, privateKey: /k.pem}"
OF_PORT = f"portLevelSettings: [{{port: {{number: 80}}, tls: {MUTUAL}}}]"
OF_SUBSET = "subsets: [{{name: v1, labels: {{version: v1}}, trafficPolicy: {{{}}}}}]".format


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (f"trafficPolicy: {{{OF_PORT}}}", {"": ("MUTUAL", "plain"), "v1": ()}),
        (
            f"trafficPolicy: {{tls: {{mode: SIMPLE}}, {OF_PORT}}}",
            {"": ("MUTUAL", "SIMPLE"), "v1": ()},
        ),
        (OF_SUBSET(f"tls: {MUTUAL}"), {"": ("plain", "plain"), "v1": ("MUTUAL", "MUTUAL")}),
        (
            f"trafficPolicy: {{tls: {{mode: SIMPLE}}}}, {OF_SUBSET(OF_PORT)}",
            {"": ("SIMPLE", "SIMPLE"), "v1": ("MUTUAL", "SIMPLE")},
        ),
        (
            f"trafficPolicy: {{{OF_PORT}}}, {OF_SUBSET('tls: {mode: DISABLE}')}",
            {"": ("MUTUAL", "plain"), "v1": ("plain", "plain")},
        ),
    ],
    ids=["a port", "the rule and a port", "a subset", "a port of a subset", "a port, and a subset without"],
)
def test_the_most_particular_tls_counts(world: Any, node: Any, more: str, expected: Any) -> None:
    """The cluster of port 80 and that of port 81, of the whole service ("") and of the subset."""
    two = entry().replace("targetPort: 443}", "targetPort: 443}, {number: 81, name: http-81, protocol: http}")
    made = world((node(),), two + policies(more))
    for subset, modes in expected.items():
        clusters_there = (found(made, node(), subset, port) for port in (80, 81))
        assert tuple(mode_of(cluster) for cluster in clusters_there if cluster is not None) == modes


def mode_of(cluster: Cluster) -> str:
    if cluster.tls is None:
        return "plain"
    return "MUTUAL" if cluster.tls.certificate else "SIMPLE"


def test_a_service_entrys_names_are_expected_where_the_rule_has_none(world: Any, node: Any) -> None:
    text = entry(more="subjectAltNames: [front.example]") + rule("{mode: SIMPLE}")
    cluster = found(world((node(),), text), node())
    assert cluster is not None
    assert cluster.tls is not None
    assert cluster.tls.subject_alt_names == ("front.example",)


def test_http2_is_offered_by_its_own_name(world: Any, node: Any) -> None:
    cluster = found(world((node(),), entry("http2") + rule("{mode: SIMPLE}")), node())
    assert cluster is not None
    assert cluster.tls is not None
    assert (cluster.http2, cluster.tls.alpn) == (True, ("h2",))


def secret(**pems: bytes) -> str:
    lines = "".join(
        f"  {key}: |\n" + "".join(f"    {line}\n" for line in pem.decode().splitlines())
        for key, pem in pems.items()
    )
    head = "apiVersion: v1\nkind: Secret\nmetadata: {name: client, namespace: default}\nstringData:\n"
    return head + lines + "---\n"


def test_a_router_has_the_certificates_of_a_secret_beside_it(world: Any, node: Any) -> None:
    authority = Authority()
    issued = authority.issue("client", "client.example")
    text = entry() + rule("{mode: MUTUAL, credentialName: client}")
    whole = secret(**{"tls.crt": issued.chain_pem, "tls.key": issued.key_pem, "ca.crt": authority.root_pem})
    rootless = secret(**{"tls.crt": issued.chain_pem, "tls.key": issued.key_pem})
    router = node("edge", 5, type="router", service="", ports=())
    own, roots = names.credential("client"), names.credential_roots("client")
    for given, expected in (
        (whole, UpstreamTls(HOST, (), (HOST,), own, roots)),
        (rootless, UpstreamTls(HOST, (), (HOST,), own, names.SYSTEM_ROOTS)),
    ):
        cluster = found(world((node(), router), text + given), router)
        assert cluster is not None
        assert cluster.tls == expected
    assert found(world((node(), router), text), router) is None  # rather nobody than anybody


def test_a_sidecar_takes_no_credential(world: Any, node: Any) -> None:
    cluster = found(world((node(),), entry() + rule("{mode: MUTUAL, credentialName: client}")), node())
    assert cluster is not None
    assert cluster.tls == UpstreamTls(HOST, (), (HOST,), "", names.SYSTEM_ROOTS)
