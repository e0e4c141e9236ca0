"""Istio's certificate service: an authenticated caller's CSR in, the chain out."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import grpc

from mesh.citadel import istio_ca
from mesh.citadel.ca import CertificateAuthority
from mesh.citadel.csr import CsrError, IdentityMismatch
from mesh.citadel.interceptor import authenticated
from mesh.citadel.metrics import CitadelMetrics

log = logging.getLogger(__name__)


class CaServicer:
    """To be added to a server that has the AuthInterceptor."""

    def __init__(self, ca: CertificateAuthority, metrics: CitadelMetrics) -> None:
        self._ca = ca
        self._metrics = metrics

    def add_to_server(self, server: grpc.aio.Server) -> None:
        handler = grpc.unary_unary_rpc_method_handler(
            self.CreateCertificate,
            request_deserializer=istio_ca.IstioCertificateRequest.FromString,
            response_serializer=istio_ca.IstioCertificateResponse.SerializeToString,
        )
        methods = {istio_ca.METHOD: handler}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(istio_ca.SERVICE, methods),))

    async def CreateCertificate(self, request: Any, context: Any) -> Any:
        """Sign. A mismatched identity is PERMISSION_DENIED, any other bad request INVALID_ARGUMENT."""
        caller = authenticated()
        self._metrics.csrs += 1
        try:
            leaf = self._ca.sign(request.csr, caller, _ttl(request.validity_duration))
        except CsrError as refused:
            self._metrics.csr_errors += 1
            log.warning("refused the CSR of %s: %s", caller, refused)
            mismatch = isinstance(refused, IdentityMismatch)
            code = grpc.StatusCode.PERMISSION_DENIED if mismatch else grpc.StatusCode.INVALID_ARGUMENT
            await context.abort(code, str(refused))
        self._metrics.issued += 1
        return istio_ca.IstioCertificateResponse(cert_chain=[leaf, self._ca.root_pem.decode()])


def _ttl(validity_duration: int) -> timedelta | None:
    """The life asked for in seconds; 0 leaves it to the CA, as in Istio."""
    if validity_duration == 0:
        return None
    try:
        return timedelta(seconds=validity_duration)
    except OverflowError:
        raise CsrError(f"expected a life in seconds, got {validity_duration}") from None
