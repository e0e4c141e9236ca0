"""How a cluster originates TLS: the mesh's own mutual TLS, or what a DestinationRule says of it.

    no rule         auto mTLS: each endpoint is asked whether it takes it
    DISABLE         plaintext
    ISTIO_MUTUAL    the mesh's certificates, without asking
    SIMPLE, MUTUAL  to servers outside the mesh: files of the sidecar's, or a Secret beside a router

As Istio does by default, servers are verified: by the roots of the system when the rule names none, and by
name when it names no ``subjectAltNames`` (of the rule, else of the ServiceEntry) and no ``sni``. Istio takes
that name from each request's authority; here it is the host of the service, as is the SNI.
"""

from __future__ import annotations

from dataclasses import replace

from mesh.galley.api.traffic_policy import ClientTls
from mesh.model import names
from mesh.model.cluster import Cluster
from mesh.model.node import Node, ServicePort
from mesh.model.tls import UpstreamTls
from mesh.pilot.services import Service
from mesh.pilot.translate.destination_rule import Policy
from mesh.pilot.translate.secrets import find_secret
from mesh.pilot.world import World
from mesh.xds.secrets import secrets_of_cluster

_OF_THE_MESH = ("DISABLE", "ISTIO_MUTUAL")


def client_tls(policy: Policy, service: Service, port: ServicePort, subset: str) -> UpstreamTls | None:
    settings = policy.tls
    if settings is not None and settings.mode not in _OF_THE_MESH:
        return _originated(settings, service)
    if settings is not None and settings.mode == "DISABLE":
        return None
    sni, accounts = names.sni(port.number, subset, service.host), service.accounts
    if settings is not None:
        sni = settings.sni or sni
        accounts = tuple(sorted(settings.subject_alt_names)) or accounts
    return UpstreamTls(sni, names.UPSTREAM_ALPN, accounts)


def _originated(settings: ClientTls, service: Service) -> UpstreamTls:
    """No ALPN: the port's protocol is spoken, and h2 offered only for HTTP/2 (``with_protocol``)."""
    named = "" if service.host.startswith("*") else service.host
    expected = tuple(sorted(settings.subject_alt_names))
    if not expected and service.entry is not None:
        expected = service.accounts
    if not expected and not settings.sni and named:
        expected = (named,)
    certificate, roots = "", names.SYSTEM_ROOTS
    if settings.credential_name:
        certificate = names.credential(settings.credential_name)
        roots = names.credential_roots(settings.credential_name)
    elif settings.mode == "MUTUAL":
        certificate = names.file_certificate(settings.client_certificate or "", settings.private_key or "")
    if settings.ca_certificates and settings.ca_certificates != "system":
        roots = names.file_roots(settings.ca_certificates)
    if settings.insecure_skip_verify:
        roots, expected = "", ()
    shown = certificate if settings.mode == "MUTUAL" else ""
    return UpstreamTls(settings.sni or named, (), expected, shown, roots)


def as_held_by(world: World, node: Node, cluster: Cluster) -> Cluster | None:
    """The cluster with the credentials that this proxy may hold; None: they are not there, and without them
    nobody is to be reached.

    ``credentialName`` is for routers; a sidecar has the roots of the system instead, as in Istio.
    """
    tls, credentials = cluster.tls, secrets_of_cluster(cluster)
    if tls is None or not credentials:
        return cluster
    if node.type != "router":
        roots = names.SYSTEM_ROOTS if tls.validation in credentials else tls.validation
        certificate = "" if tls.certificate in credentials else tls.certificate
        return replace(cluster, tls=replace(tls, certificate=certificate, validation=roots))
    missing = {name for name in credentials if find_secret(world, node.namespace, name) is None}
    if missing == {tls.validation} and tls.certificate:
        return replace(cluster, tls=replace(tls, validation=names.SYSTEM_ROOTS))  # a Secret without roots
    return None if missing else cluster
