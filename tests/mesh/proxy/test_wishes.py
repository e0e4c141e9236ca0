"""What requests ask of the router, and that nothing of it is passed on."""

from __future__ import annotations

import pytest

from mesh.http.message import Framing, Request
from mesh.model.route import NON_IDEMPOTENT, Forward, RetryPolicy, WeightedCluster
from mesh.proxy.wishes import WISHES, heed

CLUSTERS = (WeightedCluster("c"),)
ROUTE = Forward(CLUSTERS, timeout_s=3.0, retry=RetryPolicy(2, ("connect-failure",), per_try_timeout_s=1.0))
PLAIN = Forward(CLUSTERS)


def heeded(forward, **said):
    fields = {f"x-envoy-{name.replace('_', '-')}".encode(): value.encode() for name, value in said.items()}
    assert set(fields) <= WISHES
    request = Request(b"GET", b"/", b"a", {b"host": b"a", **fields}, [], Framing.NONE, True)
    found = heed(forward, request)
    assert request.fields == {b"host": b"a"}
    return found


def test_the_time_limit_is_replaced_and_zero_is_none():
    assert heeded(ROUTE, upstream_rq_timeout_ms="250").timeout_s == 0.25
    assert heeded(ROUTE, upstream_rq_timeout_ms="0").timeout_s is None
    assert heeded(PLAIN, upstream_rq_timeout_ms="250") == Forward(CLUSTERS, timeout_s=0.25)


@pytest.mark.parametrize("text", ["", "soon", "-1", "1.5", "9" * 20])
def test_what_is_no_number_changes_nothing(text):
    assert heeded(ROUTE, upstream_rq_timeout_ms=text, max_retries=text) == ROUTE


def test_a_limit_for_each_try():
    assert heeded(ROUTE, upstream_rq_per_try_timeout_ms="20").retry.per_try_timeout_s == 0.02
    alone = heeded(PLAIN, upstream_rq_per_try_timeout_ms="20").retry
    assert (alone.attempts, alone.per_try_timeout_s) == (0, 0.02)


def test_conditions_add_up_and_the_number_is_replaced():
    retry = heeded(ROUTE, retry_on="5xx, reset", retry_grpc_on="unavailable", max_retries="7").retry
    assert retry.attempts == 7
    assert retry.retry_on == ("connect-failure", "5xx", "reset", "unavailable", NON_IDEMPOTENT)
    assert retry.per_try_timeout_s == 1.0


def test_a_route_without_retries_gets_one():
    retry = heeded(PLAIN, retry_on="5xx").retry
    assert (retry.attempts, retry.retry_on) == (1, ("5xx", NON_IDEMPOTENT))
    assert heeded(PLAIN, max_retries="5") == PLAIN


def test_codes_and_names():
    retry = heeded(ROUTE, retriable_status_codes="503, x,429", retriable_header_names="X-Again ,x-b").retry
    assert retry.retriable_status_codes == (503, 429)
    assert retry.retriable_headers == ("x-again", "x-b")


def test_hedging_is_taken_off_and_not_done():
    assert heeded(ROUTE, hedge_on_per_try_timeout="true") == ROUTE
