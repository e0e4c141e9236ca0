"""15010 (plaintext) and 15012 (TLS): ADS, the certificate service and the access log service.

Both ports ask for a token in every call; 15010 is for machines where the network is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from mesh.citadel.ca import CertificateAuthority
from mesh.citadel.interceptor import AuthInterceptor
from mesh.citadel.metrics import CitadelMetrics
from mesh.citadel.server_credentials import server_credentials
from mesh.citadel.service import CaServicer
from mesh.citadel.tokens import Tokens
from mesh.control_plane.ports import check_free
from mesh.mixer import access_log_service
from mesh.mixer.mixer import Mixer
from mesh.pilot.discovery import Pilot
from mesh.xds.server import SERVER_OPTIONS, AdsServer


@dataclass(frozen=True, slots=True)
class Citadel:
    """Citadel's parts, as the ports need them."""

    ca: CertificateAuthority
    tokens: Tokens
    metrics: CitadelMetrics


def make_server(citadel: Citadel, pilot: Pilot, mixer: Mixer) -> grpc.aio.Server:
    """The services, not listening yet."""
    interceptor = AuthInterceptor(citadel.tokens, citadel.metrics)
    server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
    AdsServer(pilot).add_to_server(server)
    CaServicer(citadel.ca, citadel.metrics).add_to_server(server)
    access_log_service.add_to_server(mixer.servicer, server)
    return server


def listen(
    server: grpc.aio.Server, ca: CertificateAuthority, address: str, xds_port: int, secure_port: int
) -> tuple[int, int]:
    """Bind both ports; the answer is their numbers. Raises PortTaken."""
    for port in (xds_port, secure_port):
        check_free(address, port)
    host = f"[{address}]" if ":" in address else address
    credentials = server_credentials(ca, address)
    return (
        server.add_insecure_port(f"{host}:{xds_port}"),
        server.add_secure_port(f"{host}:{secure_port}", credentials),
    )
