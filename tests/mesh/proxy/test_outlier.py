"""Ejections: what counts as an error, how many may be out, how long it lasts. The clock is the test's."""

import asyncio
from random import Random

import pytest

from mesh.model.outlier import FailurePercentage, OutlierDetection, SuccessRate
from mesh.model.route import Route, RouteMatch
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
        self.told: list[tuple[object, float]] = []
        self.stats = Stats()
        settings = {"max_ejection_percent": 100, **rules}
        self.detector = Detector(
            OutlierDetection(**settings),
            OutlierStats(self.stats, "c"),
            lambda: self.now,
            Random(1),
            self.change,
            lambda monitor, for_s: self.told.append((monitor, for_s)),
        )
        self.monitors = [self.detector.watch() for _ in range(hosts)]

    def change(self) -> None:
        self.changes += 1

    def serve(self, successes: list[int], errors: list[int]) -> bool:
        """What each endpoint answers in one interval, then its end: whether ticks go on."""
        for monitor, good, bad in zip(self.monitors, successes, errors, strict=True):
            for status in [200] * good + [500] * bad:
                monitor.answered(status)
        self.now += self.detector.rules.interval_s
        return self.detector.tick()

    def out(self) -> list[bool]:
        return [monitor.is_ejected for monitor in self.monitors]

    def stat(self, name: str) -> int:
        name = f"cluster.c.outlier_detection.ejections_{name}"
        return {**self.stats.counters, **self.stats.gauges}[name].value


def test_who_is_ejected_is_told_with_the_time_and_elsewhere_is_out_as_long():
    here, elsewhere = (Case(consecutive_5xx=1, base_ejection_time_s=30.0, interval_s=10.0) for _ in range(2))
    here.monitors[0].answered(500)
    [(monitor, for_s)] = here.told
    assert (monitor, for_s) == (here.monitors[0], 30.0)
    elsewhere.detector.ejected_elsewhere(elsewhere.monitors[0], for_s)
    assert elsewhere.out() == [True, False]
    assert (elsewhere.told, elsewhere.changes) == ([], 1)
    assert (elsewhere.stat("active"), elsewhere.stat("enforced_total")) == (1, 0)
    elsewhere.detector.ejected_elsewhere(elsewhere.monitors[0], 60.0)  # of two at once, the first counts
    assert elsewhere.detector.ejected_for(elsewhere.monitors[0]) == 30.0
    elsewhere.now = 30.0
    elsewhere.detector.tick()
    assert elsewhere.out() == [False, False]
    assert elsewhere.stat("active") == 0
    elsewhere.monitors[0].answered(500)
    assert elsewhere.told == [(elsewhere.monitors[0], 60.0)]  # it is the second time


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
        case.now += 10
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
    case.now = 11.0
    assert not case.detector.tick()
    assert case.stat("active") == 0


def test_an_endpoint_that_goes_is_no_longer_out():
    case = Case(consecutive_5xx=1)
    case.monitors[0].answered(500)
    case.detector.forget(case.monitors[0])
    assert case.stat("active") == 0


RATE = SuccessRate(minimum_hosts=5, request_volume=10)
PERCENTAGE = FailurePercentage(threshold=50, minimum_hosts=2, request_volume=10)


def test_the_success_rate_is_judged_after_each_interval():
    case = Case(hosts=5, consecutive_5xx=0, success_rate=RATE)
    assert case.serve([5, 10, 10, 10, 10], [5, 0, 0, 0, 0]), "counting goes on"
    assert case.out() == [True, False, False, False, False]
    assert (case.stat("detected_success_rate"), case.stat("enforced_success_rate")) == (1, 1)
    assert case.changes == 1


def test_an_interval_is_judged_by_itself():
    case = Case(hosts=5, consecutive_5xx=0, success_rate=RATE)
    case.serve([9, 9, 9, 9, 9], [0] * 5)
    case.serve([0, 10, 10, 10, 10], [9, 0, 0, 0, 0])  # 9 of 18 failed, but of these 9 too few to tell
    assert case.out() == [False] * 5


def test_who_fails_in_too_many_of_its_requests_is_ejected_whatever_the_others_do():
    case = Case(hosts=2, consecutive_5xx=0, failure_percentage=PERCENTAGE)
    case.serve([5, 6], [5, 4])
    assert case.out() == [True, False]
    assert case.stat("enforced_failure_percentage") == 1


def test_two_detectors_of_one_endpoint_eject_it_once():
    case = Case(hosts=5, consecutive_5xx=0, success_rate=RATE, failure_percentage=PERCENTAGE)
    case.serve([0, 10, 10, 10, 10], [10, 0, 0, 0, 0])
    assert (case.stat("enforced_total"), case.stat("active")) == (1, 1)
    assert (case.stat("detected_success_rate"), case.stat("detected_failure_percentage")) == (1, 1)


def test_local_origin_failures_have_rates_of_their_own():
    case = Case(
        hosts=2,
        split_local_origin=True,
        consecutive_local_origin_failure=0,
        failure_percentage=PERCENTAGE,
    )
    bad, good = case.monitors
    for _ in range(10):
        bad.failed(connection_failure("refused"))
        good.connected()
    case.serve([0, 0], [0, 0])
    assert case.out() == [True, False]
    assert case.stat("enforced_local_origin_failure_percentage") == 1
    assert case.stat("detected_failure_percentage") == 0


def test_a_connection_without_more_is_a_success_of_either_kind():
    for split in (False, True):
        case = Case(consecutive_5xx=2, split_local_origin=split, consecutive_local_origin_failure=2)
        monitor = case.monitors[0]
        for _ in range(3):
            monitor.failed(connection_failure("refused"))
            monitor.connected()
        assert not monitor.is_ejected
        assert case.stat("detected_consecutive_5xx") == 0


def test_enforcing_is_a_share_of_what_is_found():
    detections, share = 4000, 25
    case = Case(hosts=2, consecutive_5xx=0, failure_percentage=FailurePercentage(50, 2, 1, share))
    for _ in range(detections):
        case.serve([0, 1], [1, 0])
        for monitor in case.monitors:
            monitor.forgive()
    assert case.stat("detected_failure_percentage") == detections
    # 5 standard deviations: wrong once in a million runs
    spread = 5 * (detections * 0.25 * 0.75) ** 0.5
    assert abs(case.stat("enforced_failure_percentage") - detections * share / 100) < spread


def test_one_may_always_be_out_if_asked_for():
    case = Case(hosts=2, consecutive_5xx=1, max_ejection_percent=10, always_eject_one_host=True)
    for monitor in case.monitors:
        monitor.answered(500)
    assert case.out() == [True, False]
    assert case.stat("overflow") == 1


def test_the_longest_ejection_and_its_jitter():
    case = Case(
        consecutive_5xx=1, base_ejection_time_s=30, max_ejection_time_s=40, max_ejection_time_jitter_s=10
    )
    bad, _ = case.monitors
    for shortest in (30, 40, 40):
        bad.answered(500)
        assert case.now + shortest <= bad.back_at <= case.now + shortest + 10
        assert bad.back_at != case.now + shortest
        case.now = bad.back_at
        case.detector.tick()
        assert not bad.is_ejected


def test_a_passed_health_check_brings_back_unless_that_is_switched_off():
    for switched_on in (True, False):
        case = Case(consecutive_5xx=1, uneject_on_health_check=switched_on)
        bad, good = case.monitors
        bad.answered(500)
        case.detector.passed_health_check(bad)
        case.detector.passed_health_check(good)
        assert bad.is_ejected is not switched_on
        assert case.stat("active") == (0 if switched_on else 1)
        assert case.changes == (2 if switched_on else 1)


def test_an_ejection_that_ended_between_two_ticks_is_forgotten_a_whole_interval_later():
    case = Case(consecutive_5xx=1, interval_s=10)
    bad, _ = case.monitors
    bad.answered(500)
    case.now = 5.0
    case.detector.passed_health_check(bad)
    case.now = 10.0
    assert case.detector.tick()
    assert bad.ejections == 1
    case.now = 20.0
    assert not case.detector.tick()
    assert bad.ejections == 0


def detecting(**detector: object) -> OutlierDetection:
    return OutlierDetection(consecutive_5xx=0, interval_s=0.2, max_ejection_percent=100, **detector)


@pytest.mark.envoy
@pytest.mark.parametrize(
    ("rules", "failing"),
    [
        (detecting(success_rate=SuccessRate(minimum_hosts=5, request_volume=3)), {2}),
        (detecting(failure_percentage=FailurePercentage(40, 5, 3)), {2, 4}),
        (OutlierDetection(consecutive_5xx=3, max_ejection_percent=100), {1, 2}),
        (OutlierDetection(0, 2, interval_s=0.2, max_ejection_percent=30), {3}),
    ],
    ids=["success rate", "failure percentage", "consecutive 5xx", "gateway errors"],
)
async def test_the_real_envoy_ejects_the_same_for_the_same_answers(proxy, serve, envoy, make, rules, failing):
    """Each engine has origins of its own, asked in turn until those that fail are asked no more."""
    for start in (serve, lambda forward, cluster: envoy(make.routes(Route(RouteMatch(), forward)), cluster)):
        origins = [await proxy.origin() for _ in range(5)]
        for number in failing:
            origins[number].response = b"HTTP/1.1 503 Oops\r\ncontent-length: 0\r\n\r\n"
        ports = [origin.port for origin in origins]
        cluster = make.cluster("c", *ports, lb_policy="ROUND_ROBIN", outlier_detection=rules)
        client = await start(make.forward("c"), cluster)
        async with asyncio.timeout(20):
            asked = set(range(5))
            while asked & failing:
                before = [len(origin.requests) for origin in origins]
                for _ in range(25):
                    await client.get()
                asked = {n for n, origin in enumerate(origins) if len(origin.requests) > before[n]}
        assert asked == set(range(5)) - failing
