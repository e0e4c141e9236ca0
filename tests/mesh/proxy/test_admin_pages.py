from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from envoy.admin.v3 import certs_pb2, clusters_pb2, listeners_pb2, memory_pb2, server_info_pb2
from google.protobuf import json_format

from labs.harness.authority import Authority
from mesh.model.endpoint import Locality
from mesh.model.tls import Secret, Secrets, TlsCertificate
from mesh.proxy import admin_pages
from mesh.proxy.admin_view import ClusterView, EndpointView, ListenerView

if TYPE_CHECKING:
    from tests.mesh.conftest import SidecarView

ENDPOINT = EndpointView(
    "127.64.3.2",
    9080,
    "DRAINING",
    2,
    Locality("eu", "z1"),
    1,
    cx_active=1,
    cx_total=3,
    rq_total=7,
    rq_success=6,
)


def certificate(not_before: datetime, days: int) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0xABC)
        .not_valid_before(not_before)
        .not_valid_after(not_before + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier("spiffe://cluster.local/ns/d/sa/a")]),
            True,
        )
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def test_clusters_in_text_and_in_envoys_message(view: SidecarView) -> None:
    view.cluster_views = (
        ClusterView("outbound|9080||r", (ENDPOINT,)),
        ClusterView("xds-grpc", added_via_api=False),
    )
    text = admin_pages.clusters_text(view)
    assert "outbound|9080||r::127.64.3.2:9080::rq_total::7\n" in text
    assert "outbound|9080||r::127.64.3.2:9080::health_flags::/eds_status_draining\n" in text
    assert "xds-grpc::added_via_api::false\n" in text
    message = json_format.ParseDict(admin_pages.clusters_json(view), clusters_pb2.Clusters())
    (host,) = message.cluster_statuses[0].host_statuses
    assert (host.address.socket_address.port_value, host.weight, host.priority) == (9080, 2, 1)
    assert {metric.name: metric.value for metric in host.stats}["rq_success"] == 6
    assert host.locality.zone == "z1"


def test_listeners_are_those_with_a_socket(view: SidecarView) -> None:
    view.listener_views = (ListenerView("virtualInbound", "0.0.0.0", 15006),)
    assert admin_pages.listeners_text(view) == "virtualInbound::0.0.0.0:15006\n"
    json_format.ParseDict(admin_pages.listeners_json(view), listeners_pb2.Listeners())


def test_certs_tell_identity_and_days_left() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    pem = certificate(start, 10)
    secrets = Secrets(TlsCertificate(pem, b"key"), certificate(start, 3650))
    page = admin_pages.certs_json(secrets, (), (start + timedelta(days=3)).timestamp())
    json_format.ParseDict(page, certs_pb2.Certificates())
    ((leaf,), (root,)) = (page["certificates"][0][kind] for kind in ("cert_chain", "ca_cert"))
    assert leaf["subject_alt_names"] == [{"uri": "spiffe://cluster.local/ns/d/sa/a"}]
    assert (leaf["days_until_expiration"], root["days_until_expiration"]) == ("7", "3647")
    assert (leaf["serial_number"], leaf["expiration_time"]) == ("abc", "2024-01-11T00:00:00Z")


def test_an_expired_certificate_has_no_days_left() -> None:
    start = datetime(2024, 1, 1, tzinfo=UTC)
    secrets = Secrets(TlsCertificate(certificate(start, 1), b"key"), certificate(start, 1))
    page = admin_pages.certs_json(secrets, (), (start + timedelta(days=3)).timestamp())
    assert page["certificates"][0]["cert_chain"][0]["days_until_expiration"] == "0"


def test_before_the_first_certificate_there_is_none() -> None:
    assert admin_pages.certs_json(None, (), 0.0) == {}


def test_the_certificates_of_gateways_are_among_them() -> None:
    authority = Authority()
    named = (
        Secret("kubernetes://site", authority.issue("site", "site.example")),
        Secret("kubernetes://site-cacert", authority.root_pem),
    )
    site, roots = admin_pages.certs_json(None, named, 0.0)["certificates"]
    assert site["cert_chain"][0]["subject_alt_names"] == [{"dns": "site.example"}]
    assert (len(site["ca_cert"]), len(roots["ca_cert"]), roots["cert_chain"]) == (0, 1, [])


def test_server_info_says_who_and_since_when(view: SidecarView) -> None:
    info = admin_pages.server_info(view, view.started_at + 12.7)
    message = json_format.ParseDict(info, server_info_pb2.ServerInfo())
    assert (message.node.id, message.uptime_current_epoch.seconds) == (view.node.id, 12)
    assert message.state == server_info_pb2.ServerInfo.LIVE


def test_memory_is_that_of_all_workers(view: SidecarView) -> None:
    page = admin_pages.memory(view)
    json_format.ParseDict(page, memory_pb2.Memory())
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert 0.5 < int(page["allocated"]) / resident < 2
    view.pids = [os.getpid(), os.getpid(), 0]  # the last one is gone
    assert 1.5 < int(admin_pages.memory(view)["allocated"]) / int(page["allocated"]) < 2.5
