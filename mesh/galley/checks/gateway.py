"""Gateway: servers that fit their ports' protocols, and TLS that has what its mode needs.

The rules are those of Istio's ``pkg/config/validation`` (ValidateGateway).
"""

from __future__ import annotations

from mesh.galley.api.base import given
from mesh.galley.api.gateway import (
    CIPHER_SUITES,
    HTTP_PROTOCOLS,
    TLS_PROTOCOLS,
    TLS_VERSIONS,
    Gateway,
    Server,
    ServerTls,
)
from mesh.galley.checks.common import Problems, check_dns_label, check_host, check_labels
from mesh.galley.fault import Loc, Problem, did_you_mean, quoted
from mesh.model.names import is_ip

PROTOCOLS = (*HTTP_PROTOCOLS, *TLS_PROTOCOLS, "TCP", "MONGO")

# who ends TLS with a certificate of its own
_OWN_CERTIFICATE = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
_CERTIFICATES = (
    "credentialName",
    "credentialNames",
    "serverCertificate",
    "privateKey",
    "caCertificates",
    "tlsCertificates",
)


def check_gateway(gateway: Gateway) -> Problems:
    spec = gateway.spec
    if not spec.servers:
        yield Problem(("spec", "servers"), "expected at least one server, got none")
    yield from check_labels(spec.selector, ("spec", "selector"))
    for index, server in enumerate(spec.servers):
        loc: Loc = ("spec", "servers", index)
        yield from _check_server(server, loc)
        names = [other.port.name for other in spec.servers[:index]]
        if server.port.name and server.port.name in names:
            yield Problem((*loc, "port", "name"), f"the name {quoted(server.port.name)} stands twice")


def _check_server(server: Server, loc: Loc) -> Problems:
    if not server.port.name:
        yield Problem((*loc, "port"), "expected a name")
    if server.bind and not is_ip(server.bind):
        yield Problem((*loc, "bind"), f"expected an IP address, got {quoted(server.bind)}")
    if not server.hosts:
        yield Problem((*loc, "hosts"), "expected at least one host, got none")
    for index, host in enumerate(server.hosts):
        yield from _check_server_host(host, (*loc, "hosts", index))
    protocol, word = server.port.protocol.upper(), server.port.protocol
    if protocol not in PROTOCOLS:
        expected = f"expected one of {', '.join(PROTOCOLS)}, got {quoted(word)}"
        yield Problem((*loc, "port", "protocol"), expected + did_you_mean(word, PROTOCOLS))
    else:
        yield from _check_fit(server, protocol, loc)
    if server.tls is not None:
        yield from _check_tls(server.tls, (*loc, "tls"))


def _check_server_host(text: str, loc: Loc) -> Problems:
    """``host`` or ``namespace/host``; the namespace may be "." (the Gateway's own) or "*"."""
    namespace, slash, host = text.rpartition("/")
    if slash and namespace not in (".", "*"):
        yield from check_dns_label(namespace, loc)
    yield from check_host(host, loc, wildcard=True)


def _check_fit(server: Server, protocol: str, loc: Loc) -> Problems:
    tls = server.tls
    if protocol in TLS_PROTOCOLS:
        if tls is None:
            yield Problem(loc, f"expected tls: the protocol is {protocol}")
        elif tls.https_redirect:
            yield Problem((*loc, "tls", "httpsRedirect"), "expected it on an HTTP server only")
    elif tls is not None:
        allowed = {"httpsRedirect", *(("mode",) if tls.mode == "PASSTHROUGH" else ())}
        others = sorted(set(given(tls)) - allowed)
        if protocol not in HTTP_PROTOCOLS or others:
            what = ", ".join(others) or "httpsRedirect"
            yield Problem((*loc, "tls"), f"expected no {what}: the protocol is {protocol}")


def _check_tls(tls: ServerTls, loc: Loc) -> Problems:
    fields = given(tls)
    found = [name for name in _CERTIFICATES if name in fields]
    if tls.mode in _OWN_CERTIFICATE:
        if not found:
            yield Problem(loc, f"expected credentialName: the mode is {tls.mode}")
        elif ("serverCertificate" in found) != ("privateKey" in found):
            yield Problem(loc, "expected both serverCertificate and privateKey")
    elif found and tls.mode == "ISTIO_MUTUAL":
        yield Problem((*loc, found[0]), "expected no certificate: the mode is ISTIO_MUTUAL")
    elif found:
        yield Problem((*loc, found[0]), f"the mode {tls.mode} has no use for it", "warning")
    least, most = (
        TLS_VERSIONS.get(one or "") for one in (tls.min_protocol_version, tls.max_protocol_version)
    )
    if least and most and least > most:
        yield Problem(
            (*loc, "minProtocolVersion"),
            f"expected at most maxProtocolVersion {tls.max_protocol_version}, got {tls.min_protocol_version}",
        )
    for index, suite in enumerate(tls.cipher_suites):
        at: Loc = (*loc, "cipherSuites", index)
        if suite not in CIPHER_SUITES:
            hint = did_you_mean(suite, CIPHER_SUITES)
            yield Problem(at, f"unknown cipher suite {quoted(suite)}{hint}: left out", "warning")
        elif suite in tls.cipher_suites[:index]:
            yield Problem(at, f"{suite} stands twice: once is enough", "warning")
