"""A certificate authority, and a whole control plane's worth of citadel on a real TLS port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from prometheus_client import CollectorRegistry

from mesh.citadel.ca import CertificateAuthority
from mesh.citadel.interceptor import AuthInterceptor
from mesh.citadel.metrics import CitadelMetrics
from mesh.citadel.server_credentials import server_credentials
from mesh.citadel.service import CaServicer
from mesh.citadel.tokens import Tokens


@dataclass
class Citadel:
    ca: CertificateAuthority
    tokens: Tokens
    metrics: CitadelMetrics
    registry: CollectorRegistry
    port: int

    def channel(self) -> grpc.aio.Channel:
        return grpc.aio.secure_channel(
            f"127.0.0.1:{self.port}", grpc.ssl_channel_credentials(self.ca.root_pem)
        )


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.open(tmp_path)


@pytest.fixture
async def citadel(ca: CertificateAuthority, tmp_path: Path) -> AsyncIterator[Citadel]:
    tokens = Tokens.open(tmp_path)
    registry = CollectorRegistry()
    metrics = CitadelMetrics(ca, registry)
    server = grpc.aio.server(interceptors=[AuthInterceptor(tokens, metrics)])
    CaServicer(ca, metrics).add_to_server(server)
    port = server.add_secure_port("127.0.0.1:0", server_credentials(ca, "127.0.0.1"))
    await server.start()
    yield Citadel(ca, tokens, metrics, registry, port)
    await server.stop(None)
