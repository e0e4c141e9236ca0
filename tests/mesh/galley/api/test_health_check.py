"""The kind's defaults are Envoy's, or what Envoy makes everybody say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mesh.galley.api.health_check import HealthCheckSpec


def test_what_is_left_out():
    spec = HealthCheckSpec.model_validate({"host": "a", "tcp": {}})
    assert (spec.timeout, spec.interval, spec.no_traffic_interval) == (1.0, 10.0, 60.0)
    assert (spec.unhealthy_threshold, spec.healthy_threshold) == (3, 2)
    assert spec.ignore_health_on_host_removal


@pytest.mark.parametrize(
    ("written", "read"), [(200, (200, 200)), ("404", (404, 404)), ("200-299", (200, 299))]
)
def test_statuses(written: object, read: tuple[int, int]):
    spec = HealthCheckSpec.model_validate({"host": "a", "http": {"path": "/", "expectedStatuses": [written]}})
    assert spec.http is not None
    assert spec.http.expected_statuses == (read,)


@pytest.mark.parametrize("written", [99, 600, "2xx", "200-", None, 200.5])
def test_what_is_no_status(written: object):
    with pytest.raises(ValidationError, match="expected a status or a range"):
        HealthCheckSpec.model_validate({"host": "a", "http": {"path": "/", "expectedStatuses": [written]}})
