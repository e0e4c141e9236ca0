"""Places, shares and ways of ``localityLbSetting``."""

from __future__ import annotations

import pytest

from mesh.galley.parse import parse

AT = "spec.trafficPolicy.loadBalancer.localityLbSetting"


def remarks(setting: str, outlier: str = "outlierDetection: {}, ") -> list[str]:
    text = f"""\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: a}}
spec: {{host: a, trafficPolicy: {{{outlier}loadBalancer: {{localityLbSetting: {setting}}}}}}}
"""
    parsed = parse(text, "a.yaml")
    warnings = [fault for candidate in parsed.candidates.values() for fault in candidate.warnings]
    return [f"{fault.path}: {fault.message}".removeprefix(AT) for fault in (*parsed.faults, *warnings)]


@pytest.mark.parametrize(
    "setting",
    [
        "{distribute: [{from: eu/a/*, to: {eu/a/*: 80, eu/b/*: 20}}, {from: us, to: {'*': 100}}]}",
        "{failover: [{from: eu, to: us}], failoverPriority: [topology.kubernetes.io/region]}",
        "{enabled: false}",
    ],
)
def test_what_istio_takes_is_taken(setting: str):
    assert remarks(setting) == []


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "{distribute: [{from: eu, to: {eu: 100}}], failover: [{from: eu, to: us}]}",
            ": expected distribute alone, got distribute and failover",
        ),
        (
            "{distribute: [{from: eu/*/a, to: {eu: 100}}]}",
            '.distribute[0].from: expected a place such as "region/zone/*", got "eu/*/a"',
        ),
        (
            "{distribute: [{from: eu//a, to: {eu: 100}}]}",
            '.distribute[0].from: expected a place such as "region/zone/*", got "eu//a"',
        ),
        (
            "{distribute: [{from: eu, to: {eu: 100}}, {from: eu/a, to: {eu: 100}}]}",
            '.distribute[1].from: expected no place inside another: "eu/a" and "eu"',
        ),
        (
            "{distribute: [{from: eu, to: {eu/*: 50, eu/a: 50}}]}",
            '.distribute[0].to["eu/a"]: expected no place inside another: "eu/a" and "eu/*"',
        ),
        (
            "{distribute: [{from: eu, to: {eu: 50, us: 49}}]}",
            ".distribute[0].to: expected shares that sum to 100, got 99",
        ),
        ("{distribute: [{from: eu, to: {eu: 0, us: 100}}]}", ".distribute[0].to.eu: expected 1..100, got 0"),
        ("{failover: [{from: eu, to: us/a}]}", '.failover[0].to: expected a region, got "us/a"'),
        ("{failover: [{from: eu, to: eu}]}", '.failover[0]: expected another region than "eu" to go to'),
    ],
)
def test_each_mistake_is_named(setting: str, message: str):
    assert remarks(setting) == [message]


def test_failover_without_outlier_detection_is_said_to_do_nothing():
    [said] = remarks("{failover: [{from: eu, to: us}]}", outlier="")
    assert said.startswith(".failover: nothing happens without outlierDetection")
    assert remarks("{distribute: [{from: eu, to: {eu: 100}}]}", outlier="") == []
