from __future__ import annotations

import json

import pytest

from labs.harness import history
from labs.harness.history import Exchange

RECORD = Exchange("id-1", 1.0, 1.5, 200, "curl", "v2", "/productpage")
LOGGED = {
    "reporter": "source",
    "start_time": "2026-01-02T03:04:05.678Z",
    "response_code": 200,
    "request_id": None,
    "path": "/reviews/0",
    "route_name": "canary-5",
    "source_workload": "productpage-v1",
    "destination_workload": "reviews-v2",
    "bytes_sent": 9,
}


def test_a_clients_record_survives_its_line() -> None:
    assert history.read_exchanges([RECORD.to_json(), ""]) == [RECORD]


@pytest.mark.parametrize("line", ["Traceback", '{"request_id": 1}'])
def test_a_line_that_is_no_record_is_an_error_in_a_clients_history(line: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        history.read_exchanges([line])


def test_failed_requests_count_for_no_version() -> None:
    failed = Exchange("id-2", 0, 0, 503, "curl", "v2")
    broken = Exchange("id-3", 0, 0, 200, "curl", "v2", error="cut off")
    assert history.count_served([RECORD, failed, broken]) == {"v2": 1}
    assert history.failures([RECORD, failed, broken]) == [failed, broken]


def test_an_applications_log_may_hold_other_lines() -> None:
    line = {name: "" for name in history.Served.__slots__} | {
        "time": 2.0,
        "path": "/reviews/0",
        "method": "GET",
    }
    text = f'hello\n{json.dumps(line)}\n{{"level": "info"}}\n[1]\n'
    (served,) = history.read_served(text)
    assert (served.time, served.path) == (2.0, "/reviews/0")


def test_mixers_line_is_read_with_null_as_unknown_and_time_in_seconds() -> None:
    (entry,) = history.read_logged(json.dumps(LOGGED) + "\n")
    assert entry.start_time == pytest.approx(1767323045.678)
    assert (entry.request_id, entry.route_name) == ("", "canary-5")


def test_a_line_still_being_written_is_left_alone() -> None:
    line = json.dumps(LOGGED)
    assert len(history.read_logged(f"{line}\n{line[:40]}")) == 1
    assert history.read_logged("") == []


def test_connections_in_the_access_log_are_no_requests() -> None:
    connection = json.dumps(LOGGED | {"request_protocol": "tcp", "path": ""})
    assert len(history.read_logged(f"{connection}\n{json.dumps(LOGGED)}\n")) == 1
