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
    return f"""
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: api, namespace: default}}
spec: {{host: api.example, trafficPolicy: {{tls: {tls}}}}}
---
"""


def entry(protocol: str = "http", more: str = "") -> str:
    return ENTRY.replace("PROTOCOL", protocol).replace("MORE", more)


def found(made: World, node: Node) -> Cluster | None:
    name = names.outbound_cluster(80, "", HOST)
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
