"""Citadel's numbers under the names Istio's control plane gives them.

Plain integers, read when scraped. Istio's counters have no ``_total``, which prometheus_client would
append to a Counter; they are therefore exposed untyped, under their exact names.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from mesh.citadel.ca import CertificateAuthority


class CitadelMetrics(Collector):
    """Registers itself; citadel's other parts add to its fields."""

    def __init__(self, ca: CertificateAuthority, registry: CollectorRegistry | None = None) -> None:
        self.csrs = 0
        self.csr_errors = 0
        self.issued = 0
        self.authentication_failures = 0
        self._root_expiry = ca.root.not_valid_after_utc.timestamp()
        if registry is not None:
            registry.register(self)

    def collect(self) -> Iterator[Metric]:
        for name, kind, help_text, value in (
            ("server_csr_count", "unknown", "CSRs received", self.csrs),
            ("server_csr_parsing_err_count", "unknown", "CSRs not acceptable", self.csr_errors),
            ("server_success_cert_issuance_count", "unknown", "certificates issued", self.issued),
            (
                "server_authentication_failure_count",
                "unknown",
                "calls without a valid token",
                self.authentication_failures,
            ),
            (
                "server_root_cert_expiry_timestamp",
                "gauge",
                "when the root certificate expires, seconds since the epoch",
                self._root_expiry,
            ),
            (
                "server_cert_chain_expiry_timestamp",
                "gauge",
                "when the signing chain expires, seconds since the epoch",
                self._root_expiry,
            ),
        ):
            metric = Metric(f"citadel_{name}", help_text, kind)
            metric.add_sample(metric.name, {}, value)
            yield metric
