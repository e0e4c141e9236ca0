"""TLS for the control plane's own port, with a certificate that is renewed while it runs.

gRPC asks before each handshake; connections that are open keep the certificate they began with.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc

from mesh.citadel.ca import DEFAULT_TTL, CertificateAuthority

RENEW_AFTER_S = DEFAULT_TTL.total_seconds() / 2


def server_credentials(
    ca: CertificateAuthority, address: str, now: Callable[[], float] = time.time
) -> grpc.ServerCredentials:
    """Credentials for ``grpc.aio.Server.add_secure_port``; clients are not asked for a certificate,
    because their tokens say who they are. ``address`` is the IP or name the port is reached by."""
    made_at = now()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal made_at
        if now() - made_at < RENEW_AFTER_S:
            return None
        made_at = now()
        return _configuration(ca, address)

    return grpc.dynamic_ssl_server_credentials(_configuration(ca, address), renewed)


def _configuration(ca: CertificateAuthority, address: str) -> grpc.ServerCertificateConfiguration:
    certificate = ca.server_certificate(address)
    return grpc.ssl_server_certificate_configuration([(certificate.key_pem, certificate.chain_pem)])
