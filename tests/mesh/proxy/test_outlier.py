"""Ejections: what counts as an error, how many may be out, how long it lasts. The clock is the test's."""

import pytest

from mesh.model.cluster import OutlierDetection
from mesh.proxy.failure import (
    CONNECTION_TIMEOUT,
    NO_HEALTHY_UPSTREAM,
    OVERFLOW,
    TIMEOUT,
    Failure,
    Kind,
    Stage,
    connection_failure,
)
from mesh.proxy.outlier import Detector, OutlierStats
from mesh.proxy.stats import Stats

RESET = Failure(Kind.CONNECTION_TERMINATION, Stage.SEND, False)


class Case:
    def __init__(self, hosts: int = 2, **rules: object) -> None:
        self.now = 0.0
        self.changes = 0
        self.stats = Stats()
        settings = {"max_ejection_percent": 100, **rules}
        self.detector = Detector(
            OutlierDetection(**settings), OutlierStats(self.stats, "c"), lambda: self.now, self.change
        )
        self.monitors = [self.detector.watch() for _ in range(hosts)]

    def change(self) -> None:
        self.changes += 1

    def stat(self, name: str) -> int:
        name = f"cluster.c.outlier_detection.ejections_{name}"
        return {**self.stats.counters, **self.stats.gauges}[name].value


def test_consecutive_5xx_eject_and_a_success_in_between_forgives():
    case = Case(consecutive_5xx=3)
    bad, good = case.monitors
    for status in (500, 500, 200, 500, 503, 404, 501, 502):
        bad.answered(status)
        good.answered(200)
    assert not bad.is_ejected
    bad.answered(599)
    assert bad.is_ejected
    assert not good.is_ejected
    assert case.changes == 1
    assert (case.stat("active"), case.stat("enforced_total"), case.stat("enforced_consecutive_5xx")) == (
        1,
        1,
        1,
    )


def test_only_502_503_and_504_are_gateway_errors():
    case = Case(consecutive_5xx=0, consecutive_gateway_failure=2)
    bad, _ = case.monitors
    for status in (502, 500, 503, 501, 504):
        bad.answered(status)
    assert not bad.is_ejected
    bad.answered(502)
    assert bad.is_ejected
    assert case.stat("enforced_consecutive_gateway_failure") == 1
    assert case.stat("detected_consecutive_5xx") == 0


@pytest.mark.parametrize("failure", [connection_failure("refused"), CONNECTION_TIMEOUT, RESET, TIMEOUT])
def test_failures_count_as_gateway_errors(failure):
    case = Case(consecutive_5xx=0, consecutive_gateway_failure=2)
    bad, _ = case.monitors
    bad.failed(failure)
    bad.failed(failure)
    assert bad.is_ejected


@pytest.mark.parametrize(
    "failure", [OVERFLOW, NO_HEALTHY_UPSTREAM, Failure(Kind.TIMEOUT, Stage.RESPONSE, False)]
)
def test_what_is_not_the_endpoints_fault_does_not_count(failure):
    case = Case(consecutive_5xx=1)
    case.monitors[0].failed(failure)
    assert not case.monitors[0].is_ejected


def test_split_local_origin_failures_are_counted_apart():
    case = Case(consecutive_5xx=2, split_local_origin=True, consecutive_local_origin_failure=2)
    bad, other = case.monitors
    bad.failed(connection_failure("refused"))
    bad.answered(500)  # it could be reached: the count of local failures begins again
    bad.failed(connection_failure("refused"))
    assert not bad.is_ejected
    bad.failed(connection_failure("refused"))
    assert case.stat("enforced_consecutive_local_origin_failure") == 1
    for _ in range(5):
        other.failed(TIMEOUT)  # each of them had a connection
    assert not other.is_ejected


def test_not_more_than_the_percentage_is_ejected():
    case = Case(hosts=4, consecutive_5xx=1, max_ejection_percent=50)
    for monitor in case.monitors:
        monitor.answered(500)
    assert [monitor.is_ejected for monitor in case.monitors] == [True, True, False, False]
    assert (case.stat("active"), case.stat("overflow"), case.stat("detected_consecutive_5xx")) == (2, 2, 4)


def test_10_percent_of_two_is_nobody():
    case = Case(hosts=2, consecutive_5xx=1, max_ejection_percent=10)
    case.monitors[0].answered(500)
    assert not case.monitors[0].is_ejected
    assert case.stat("overflow") == 1


def test_each_ejection_is_longer_and_good_behaviour_shortens_the_next():
    case = Case(consecutive_5xx=1, base_ejection_time_s=30)
    bad, _ = case.monitors

    def time_out_s() -> float:
        began = case.now
        bad.answered(500)
        assert bad.is_ejected
        while bad.is_ejected:
            case.now += 10
            case.detector.tick()
        return case.now - began

    assert [time_out_s() for _ in range(3)] == [30, 60, 90]
    for _ in range(2):
        case.detector.tick()
    assert time_out_s() == 60


def test_an_ejection_lasts_at_most_300_s():
    case = Case(consecutive_5xx=1, base_ejection_time_s=200)
    bad, _ = case.monitors
    for time_out_s in (200, 300, 300):
        bad.answered(500)
        case.now += time_out_s - 1
        case.detector.tick()
        assert bad.is_ejected
        case.now += 1
        case.detector.tick()
        assert not bad.is_ejected


def test_who_comes_back_starts_with_clean_counts_and_ticks_end():
    case = Case(consecutive_5xx=2, consecutive_gateway_failure=3, base_ejection_time_s=1)
    bad, _ = case.monitors
    bad.answered(503)
    bad.answered(503)
    case.now = 1.0
    assert case.detector.tick(), "its ejection is not forgotten yet"
    assert case.changes == 2
    bad.answered(503)
    assert not bad.is_ejected
    assert not case.detector.tick()
    assert case.stat("active") == 0


def test_an_endpoint_that_goes_is_no_longer_out():
    case = Case(consecutive_5xx=1)
    case.monitors[0].answered(500)
    case.detector.forget(case.monitors[0])
    assert case.stat("active") == 0
