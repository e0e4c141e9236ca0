"""A Gateway's servers fit their protocols, and TLS has what its mode needs."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.galley.api.gateway import Gateway
from mesh.galley.checks.gateway import check_gateway

HTTP = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
HTTPS = {"port": {"number": 443, "name": "https", "protocol": "HTTPS"}, "hosts": ["site.example"]}
TCP = {"port": {"number": 3306, "name": "tcp", "protocol": "TCP"}, "hosts": ["*"]}


def https(mode: str = "SIMPLE", **more: Any) -> dict[str, Any]:
    return {**HTTPS, "tls": {"mode": mode, **more}}


def problems(*servers: dict[str, Any]) -> list[str]:
    gateway = Gateway.model_validate(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "gateway", "namespace": "default"},
            "spec": {"selector": {"istio": "ingressgateway"}, "servers": list(servers)},
        }
    )
    return [
        f"{one.severity} {'.'.join(map(str, one.loc[2:]))}: {one.message}" for one in check_gateway(gateway)
    ]


@pytest.mark.parametrize(
    "server",
    [
        HTTP,
        {**HTTP, "tls": {"httpsRedirect": True}},
        {**HTTP, "hosts": ["*.example.com", "default/a.example", "./b.example", "*/c.example"]},
        {**HTTP, "bind": "127.0.0.1"},
        https(credentialName="site"),
        https("MUTUAL", credentialName="site", minProtocolVersion="TLSV1_2", maxProtocolVersion="TLSV1_3"),
        https("PASSTHROUGH"),
        https("ISTIO_MUTUAL"),
        https(credentialName="site", cipherSuites=["ECDHE-RSA-AES128-GCM-SHA256"]),
        https(serverCertificate="/etc/cert", privateKey="/etc/key"),
        TCP,
    ],
)
def test_good_ones_pass(server: dict[str, Any]) -> None:
    assert problems(server) == []


def named(server: dict[str, Any], protocol: str) -> dict[str, Any]:
    return {**server, "port": {**server["port"], "protocol": protocol}}


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({**HTTP, "hosts": []}, "error 0.hosts: expected at least one host, got none"),
        (
            {**HTTP, "hosts": ["No/a.example"]},
            "error 0.hosts.0: expected lower-case letters, digits and '-' (at most 63), got \"No\"",
        ),
        ({**HTTP, "bind": "eth0"}, 'error 0.bind: expected an IP address, got "eth0"'),
        ({**HTTP, "port": {"number": 80, "protocol": "HTTP"}}, "error 0.port: expected a name"),
        (
            named(HTTP, "HTP"),
            "error 0.port.protocol: expected one of HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, TCP, MONGO, "
            'got "HTP"; did you mean "HTTP"?',
        ),
        (HTTPS, "error 0: expected tls: the protocol is HTTPS"),
        (
            {**HTTP, "tls": {"mode": "SIMPLE", "credentialName": "site"}},
            "error 0.tls: expected no credentialName, mode: the protocol is HTTP",
        ),
        (
            {**TCP, "tls": {"httpsRedirect": True}},
            "error 0.tls: expected no httpsRedirect: the protocol is TCP",
        ),
        (
            https(credentialName="a", httpsRedirect=True),
            "error 0.tls.httpsRedirect: expected it on an HTTP server only",
        ),
        (https(), "error 0.tls: expected credentialName: the mode is SIMPLE"),
        (https("MUTUAL"), "error 0.tls: expected credentialName: the mode is MUTUAL"),
        (https(privateKey="/k"), "error 0.tls: expected both serverCertificate and privateKey"),
        (
            https("ISTIO_MUTUAL", credentialName="a"),
            "error 0.tls.credentialName: expected no certificate: the mode is ISTIO_MUTUAL",
        ),
        (
            https("PASSTHROUGH", credentialName="a"),
            "warning 0.tls.credentialName: the mode PASSTHROUGH has no use for it",
        ),
        (
            https(credentialName="a", minProtocolVersion="TLSV1_3", maxProtocolVersion="TLSV1_2"),
            "error 0.tls.minProtocolVersion: expected at most maxProtocolVersion TLSV1_2, got TLSV1_3",
        ),
        (
            https(credentialName="a", cipherSuites=["RC4-MD5"]),
            'warning 0.tls.cipherSuites.0: unknown cipher suite "RC4-MD5": left out',
        ),
    ],
)
def test_bad_ones_are_told(server: dict[str, Any], expected: str) -> None:
    assert problems(server) == [expected]


def test_there_are_servers_and_their_names_differ() -> None:
    assert problems() == ["error : expected at least one server, got none"]
    assert problems(HTTP, {**TCP, "port": {**TCP["port"], "name": "http"}}) == [
        'error 1.port.name: the name "http" stands twice'
    ]
