"""SPIFFE identities as Istio writes them: ``spiffe://<trust-domain>/ns/<namespace>/sa/<service account>``.

Source: SPIFFE-ID specification section 2 (the URI), Istio's reference on workload identity (the path).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_TRUST_DOMAIN = "cluster.local"

_SPIFFE = re.compile(r"spiffe://([a-z0-9._-]+)/ns/([A-Za-z0-9._-]+)/sa/([A-Za-z0-9._-]+)")


@dataclass(frozen=True, slots=True)
class SpiffeId:
    """One workload identity; ``str()`` gives the URI that stands in the certificate's SAN."""

    namespace: str
    service_account: str
    trust_domain: str = DEFAULT_TRUST_DOMAIN

    def __str__(self) -> str:
        return f"spiffe://{self.trust_domain}/ns/{self.namespace}/sa/{self.service_account}"

    @classmethod
    def parse(cls, uri: str) -> SpiffeId:
        """Read the URI form. Raises ValueError when the text is not an Istio-shaped SPIFFE id."""
        found = _SPIFFE.fullmatch(uri)
        if found is None:
            raise ValueError(f"expected spiffe://<trust domain>/ns/<namespace>/sa/<account>, got {uri!r}")
        trust_domain, namespace, account = found.groups()
        return cls(namespace, account, trust_domain)
