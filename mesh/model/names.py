"""Every resource name of the mesh, spelled as Istio spells it, so that tools and eyes carry over."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

# ports of a sidecar (Istio's "Ports used by Istio")
ADMIN_PORT = 15000
OUTBOUND_PORT = 15001  # REDIRECT: virtualOutbound; NONE: the HTTP proxy the app is pointed to
INBOUND_PORT = 15006
MERGED_METRICS_PORT = 15020
HEALTH_PORT = 15021
ENVOY_METRICS_PORT = 15090
# ports of the control plane
XDS_PLAINTEXT_PORT = 15010
XDS_TLS_PORT = 15012
CONTROL_PLANE_HTTP_PORT = 15014

BLACK_HOLE_CLUSTER = "BlackHoleCluster"
PASSTHROUGH_CLUSTER = "PassthroughCluster"
INBOUND_PASSTHROUGH_CLUSTER = "InboundPassthroughCluster"
VIRTUAL_OUTBOUND = "virtualOutbound"
VIRTUAL_INBOUND = "virtualInbound"
HTTP_PROXY_ROUTE = "http_proxy"  # the route configuration of the HTTP proxy listener (interception NONE)
CONTROL_PLANE_CLUSTER = "xds-grpc"  # static in every bootstrap: ADS and ALS go there
AGENT_CLUSTER = "sds-grpc"  # static in Envoy's bootstrap: SDS and the agent's ALS, over a Unix socket

WORKLOAD_SECRET = "default"  # SDS: this workload's certificate and key
ROOT_SECRET = "ROOTCA"  # SDS: what peers are verified against
CREDENTIAL_SCHEME = "kubernetes://"  # SDS: secrets that come from the control plane, over ADS
CREDENTIAL_ROOTS_SUFFIX = "-cacert"
FILE_CERTIFICATE = "file-cert:"  # not over SDS: files beside the proxy
FILE_ROOTS = "file-root:"
SYSTEM_ROOTS = FILE_ROOTS + "/etc/ssl/certs/ca-certificates.crt"

# ALPN of mesh-internal TLS (Istio's pilot/pkg/networking/core)
ISTIO_ALPN = "istio"
MTLS_TCP_ALPN = ("istio-peer-exchange", "istio")
MTLS_HTTP_ALPN = ("istio-http/1.0", "istio-http/1.1", "istio-h2")
MTLS_ALPN = MTLS_TCP_ALPN + MTLS_HTTP_ALPN
UPSTREAM_ALPN = ("istio",)
UPSTREAM_ALPN_H2 = ("istio", "h2")
# what requests offer instead, where the other side has to know that they are requests (Istio's istio.alpn)
REQUEST_ALPN = ("istio-http/1.1", "istio", "http/1.1")
REQUEST_ALPN_H2 = ("istio-h2", "istio", "h2")
# how Envoy's http_inspector names what it finds in plaintext
PLAINTEXT_HTTP = ("http/1.0", "http/1.1", "h2c")
# what an inbound HTTP chain answers; never "istio", so that HTTP/2 without "h2" is known by its preface
INBOUND_HTTP_ALPN = ("h2", "http/1.1")

PEER_METADATA_HEADER = "x-envoy-peer-metadata"
PEER_METADATA_ID_HEADER = "x-envoy-peer-metadata-id"
ISTIO_METADATA = "istio"  # filter metadata namespace of clusters and endpoints
WORKLOAD_METADATA_KEY = "workload"


class SubsetKey(NamedTuple):
    """The parts of an outbound or inbound cluster name."""

    direction: str
    port: int
    subset: str
    host: str


def fqdn(host: str, namespace: str) -> str:
    """A service's full name; short names are taken in the given namespace, as Istio does."""
    if "." in host or host == "*":
        return host
    return f"{host}.{namespace}.svc.cluster.local"


def outbound_cluster(port: int, subset: str, host: str) -> str:
    return f"outbound|{port}|{subset}|{host}"


def inbound_cluster(port: int) -> str:
    return f"inbound|{port}||"


def parse_cluster(name: str) -> SubsetKey | None:
    """The parts of a cluster's name, or None for names that carry none (BlackHoleCluster ...)."""
    parts = name.split("|")
    if len(parts) != 4 or not parts[1].isdigit():
        return None
    return SubsetKey(parts[0], int(parts[1]), parts[2], parts[3])


def sni(port: int, subset: str, host: str) -> str:
    return f"outbound_.{port}_.{subset}_.{host}"


def credential(name: str) -> str:
    """SDS: the certificate and key of a ``credentialName``."""
    return CREDENTIAL_SCHEME + name


def credential_roots(name: str) -> str:
    """SDS: what the peers of a ``credentialName`` are verified against."""
    return credential(name) + CREDENTIAL_ROOTS_SUFFIX


def is_credential(name: str) -> bool:
    """Whether the secret comes from the control plane."""
    return name.startswith(CREDENTIAL_SCHEME)


def file_certificate(chain: str, key: str) -> str:
    """A certificate and its key in files of the proxy's, by Istio's name for them."""
    return f"{FILE_CERTIFICATE}{chain}~{key}"


def file_roots(path: str) -> str:
    return FILE_ROOTS + path


def listener(address: str, port: int) -> str:
    return f"{address}_{port}"


def inbound_route(port: int) -> str:
    """The one (inline) route configuration of an inbound chain; Istio names it after the cluster."""
    return inbound_cluster(port)


def outbound_route(port: int) -> str:
    return str(port)


def gateway_http_route(address: str, port: int) -> str:
    """Istio's name, for a Gateway that says where to ``bind`` with that before it."""
    return f"http.{port}" if address == "0.0.0.0" else f"{address}_http.{port}"


def gateway_https_route(port: int, port_name: str, gateway: str, namespace: str) -> str:
    return f"https.{port}.{port_name}.{gateway}.{namespace}"


def service_route(host: str, port: int) -> str:
    """The routes of one service alone: of an address that tells which service is meant."""
    return f"{host}:{port}"


def virtual_host(host: str, port: int) -> str:
    return f"{host}:{port}"


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def plural(kind: str) -> str:
    """kubectl's resource name: ``virtualservices``, ``peerauthentications``, ``serviceentries``."""
    lower = kind.lower()
    return lower[:-1] + "ies" if lower.endswith("y") and lower[-2] not in "aeiou" else lower + "s"
