from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from cryptography import x509

from mesh.citadel.ca import CertificateAuthority
from mesh.citadel.server_credentials import RENEW_AFTER_S, server_credentials


@contextmanager
def grpc_server(credentials: grpc.ServerCredentials) -> Iterator[int]:
    """A server that serves nothing, for its handshakes; gives its port."""
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        yield port
        server.stop(None).wait()


def served_certificate(port: int, root: Path, name: str) -> x509.Certificate:
    """Shake hands as an ordinary TLS client that verifies chain and name."""
    context = ssl.create_default_context(cafile=root)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        der = tls.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


@pytest.mark.parametrize("name", ["istiod.istio-system.svc", "localhost", "127.0.0.1"])
def test_verifies_under_each_name(ca: CertificateAuthority, tmp_path: Path, name: str) -> None:
    with grpc_server(server_credentials(ca, "127.0.0.1")) as port:
        served_certificate(port, tmp_path / "citadel/root-cert.pem", name)


def test_is_renewed_at_half_of_its_life(ca: CertificateAuthority, tmp_path: Path) -> None:
    clock = [0.0]
    root = tmp_path / "citadel/root-cert.pem"
    with grpc_server(server_credentials(ca, "127.0.0.1", lambda: clock[0])) as port:
        first = served_certificate(port, root, "localhost")
        clock[0] = RENEW_AFTER_S - 1
        assert served_certificate(port, root, "localhost") == first
        clock[0] = RENEW_AFTER_S + 1
        assert served_certificate(port, root, "localhost") != first
