"""The text of the annotation that switches on more of Envoy's outlier detection."""

from __future__ import annotations

import pytest

from mesh.galley.api.outlier_options import OutlierOptions, parse_outlier_options
from mesh.model.outlier import FailurePercentage, OutlierDetection, SuccessRate


def test_each_part_with_its_settings():
    text = (
        "success-rate minimum-hosts=3 request-volume=20 stdev-factor=1.5 enforcing=50"
        " enforcing-local-origin=0;"
        " failure-percentage threshold=50 ; ejection max-time=10m jitter=5s always-one=true"
        " uneject-on-health-check=false"
    )
    assert parse_outlier_options(text) == OutlierOptions(
        SuccessRate(3, 20, 1500, 50, 0),
        FailurePercentage(50),
        (
            ("max_ejection_time_s", 600.0),
            ("max_ejection_time_jitter_s", 5.0),
            ("always_eject_one_host", True),
            ("uneject_on_health_check", False),
        ),
    )


def test_the_rest_is_envoys_default():
    assert parse_outlier_options("success-rate").success_rate == SuccessRate(5, 100, 1900, 100, 100)
    assert parse_outlier_options("failure-percentage").failure_percentage == FailurePercentage(85, 5, 50)


def test_it_goes_on_top_of_what_istio_can_say():
    rules = OutlierDetection(consecutive_5xx=3, interval_s=1.0)
    found = parse_outlier_options("ejection max-time=1m").apply(rules)
    assert found == OutlierDetection(consecutive_5xx=3, interval_s=1.0, max_ejection_time_s=60.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected success-rate, failure-percentage, ejection with settings"),
        ("ejection", "with settings"),
        ("succes-rate", 'each once, got "succes-rate"'),
        ("success-rate; success-rate", "each once"),
        ("success-rate threshold=3", 'got "threshold=3" in "success-rate threshold=3"'),
        ("success-rate enforcing=1 enforcing=2", "each once"),
        ("success-rate enforcing=101", 'enforcing: expected 0..100, got "101"'),
        ("success-rate minimum-hosts=-1", "minimum-hosts: expected a whole number"),
        ("success-rate stdev-factor=a", "stdev-factor: expected a number such as 1.9"),
        ("ejection max-time=5", "max-time: expected a duration"),
        ("ejection always-one=yes", 'always-one: expected true or false, got "yes"'),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        parse_outlier_options(text)
