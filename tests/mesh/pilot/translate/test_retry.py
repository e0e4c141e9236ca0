"""Retries of a rule."""

from __future__ import annotations

import pytest

from mesh.galley.api.http_route import HttpRetry
from mesh.model.route import NON_IDEMPOTENT
from mesh.pilot.translate.retry import DEFAULT_RETRY, DEFAULT_RETRY_ON, retry_policy


def policy(non_idempotent: bool = False, **said: object):
    return retry_policy(HttpRetry.model_validate({"attempts": 3, **said}), non_idempotent)


def test_without_a_word_the_defaults_are_in_force():
    assert retry_policy(None) == DEFAULT_RETRY
    assert policy().retry_on == DEFAULT_RETRY_ON


def test_plain_numbers_are_status_codes():
    found = policy(retryOn="gateway-error, 429,503")
    assert found.retry_on == ("gateway-error", "retriable-status-codes")
    assert found.retriable_status_codes == (429, 503)


def test_times():
    found = policy(perTryTimeout="2s", backoff="100ms")
    assert (found.per_try_timeout_s, found.base_interval_s, found.max_interval_s) == (2.0, 0.1, 1.0)


def test_previous_hosts_are_avoided_unless_told_otherwise():
    assert policy().avoid_previous_hosts
    assert not policy(retryIgnorePreviousHosts=False).avoid_previous_hosts


@pytest.mark.parametrize(("asked", "expected"), [(False, ("5xx",)), (True, ("5xx", NON_IDEMPOTENT))])
def test_methods_that_are_not_idempotent_take_the_annotation(asked: bool, expected: tuple[str, ...]):
    assert policy(asked, retryOn="5xx").retry_on == expected


def test_remote_localities_are_tried_after_two_attempts():
    assert policy().previous_priorities == 0
    assert policy(retryRemoteLocalities=True).previous_priorities == 2
