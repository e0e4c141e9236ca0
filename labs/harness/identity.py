"""Who called whom, as certificates say: reading x-forwarded-client-cert and checking every hop. Pure.

The sidecar of the called workload writes that header from the peer certificate of the mTLS connection
(Envoy's format: ``By=<own id>;Hash=...;URI=<peer's id>``, elements joined by commas), and the application
writes it down.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labs.harness.history import Served
from labs.harness.verdict import Verdict, failed, inconclusive, passed


@dataclass(frozen=True, slots=True)
class ClientCert:
    """One element of the header: SPIFFE URIs of the callee (``by``) and of its caller (``uri``)."""

    by: str
    uri: str


def read_client_cert(header: str) -> ClientCert | None:
    """The last element: the hop that reached this application. None when there is none."""
    if not header:
        return None
    pairs = [part.partition("=") for part in header.split(",")[-1].split(";")]
    facts = {key.strip().lower(): value.strip('"') for key, _, value in pairs}
    return ClientCert(facts.get("by", ""), facts.get("uri", ""))


def every_hop(check: str, served: Sequence[Served], callers: Mapping[str, str]) -> Verdict:
    """Every request to each service came from the identity ``callers`` names for it (a SPIFFE URI)."""
    hops: Counter[tuple[str, str]] = Counter()
    for request in served:
        cert = read_client_cert(request.client_cert)
        hops[request.service, cert.uri if cert else ""] += 1
    unseen = sorted(set(callers) - {service for service, _ in hops})
    if unseen:
        return inconclusive(check, f"no request reached {', '.join(unseen)}")
    wrong = {hop: count for hop, count in hops.items() if callers.get(hop[0]) != hop[1]}
    if wrong:
        return failed(check, "; ".join(_wrong(hop, count) for hop, count in wrong.items()))
    shown = "; ".join(f"{service} <- {uri} ({count})" for (service, uri), count in sorted(hops.items()))
    return passed(check, shown, requests=len(served), hops=len(hops))


def _wrong(hop: tuple[str, str], count: int) -> str:
    service, uri = hop
    return f"{count} requests to {service} came " + (f"from {uri}" if uri else "without a client certificate")
