from __future__ import annotations

from labs.harness import identity
from labs.harness.history import Served

CALLER = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage"
CALLERS = {"reviews": CALLER}
HEADER = f'By=spiffe://cluster.local/ns/default/sa/bookinfo-reviews;Hash=ab;Subject="";URI={CALLER}'


def served(client_cert: str, service: str = "reviews") -> Served:
    return Served(0.0, "id", "/reviews/0", 200, "127.0.0.1", "curl", service, "v1", client_cert)


def test_the_header_names_callee_and_caller() -> None:
    cert = identity.read_client_cert(HEADER)
    assert cert is not None
    assert cert.by.endswith("/bookinfo-reviews")
    assert cert.uri == CALLER


def test_of_several_elements_the_last_hop_counts() -> None:
    cert = identity.read_client_cert(f"By=x;URI=spiffe://evil,{HEADER}")
    assert cert is not None
    assert cert.uri == CALLER
    assert identity.read_client_cert("") is None


def test_every_hop_by_its_caller_passes_and_is_shown() -> None:
    verdict = identity.every_hop("c", [served(HEADER), served(HEADER)], CALLERS)
    assert verdict.outcome == "pass"
    assert f"reviews <- {CALLER} (2)" in verdict.reason


def test_one_request_without_a_certificate_fails() -> None:
    verdict = identity.every_hop("c", [served(HEADER), served("")], CALLERS)
    assert verdict.outcome == "fail"
    assert "1 requests to reviews came without a client certificate" in verdict.reason


def test_another_caller_fails() -> None:
    other = HEADER.replace("bookinfo-productpage", "bookinfo-client")
    assert identity.every_hop("c", [served(other)], CALLERS).outcome == "fail"


def test_a_hop_nobody_took_is_inconclusive() -> None:
    assert identity.every_hop("c", [served(HEADER)], CALLERS | {"ratings": "x"}).outcome == "inconclusive"
