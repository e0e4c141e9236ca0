from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from mesh.mixer.adapters.jsonlines import JsonLines, record, start_time
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.standard_metrics import HTTP_LABELS

# of Istio's JSON access log (mesh configuration accessLogEncoding: JSON)
ISTIO_KEYS = (
    "start_time route_name method path protocol response_code response_flags response_code_details "
    "connection_termination_details bytes_received bytes_sent duration upstream_service_time x_forwarded_for "
    "user_agent request_id authority upstream_host upstream_cluster upstream_local_address "
    "downstream_local_address downstream_remote_address requested_server_name "
    "upstream_transport_failure_reason"
).split()


def test_a_line_has_istios_keys_the_labels_and_who_reported(node: Node, entry: AccessLogEntry) -> None:
    line = record(node, entry)
    assert set(line) == {*ISTIO_KEYS, *HTTP_LABELS, "proxy"}
    assert line["proxy"] == "productpage-v1-0.default"
    assert line["start_time"] == "2023-11-14T22:13:20.250Z"
    assert (line["response_code"], line["duration"], line["upstream_service_time"]) == (200, 4, 4)
    assert (line["destination_workload"], line["reporter"]) == ("reviews-v1", "source")
    assert line["requested_server_name"] is None


def test_a_connection_is_one_line_when_it_is_over(tmp_path: Path, node: Node, entry: AccessLogEntry) -> None:
    log = JsonLines(tmp_path / "log")
    report = replace(entry, method="", path="", protocol="", authority="", response_code=0)
    log.handle(
        node,
        [
            replace(report, access_log_type="TcpUpstreamConnected"),
            replace(report, access_log_type="TcpPeriodic", bytes_sent=5),
            replace(report, access_log_type="TcpConnectionEnd", bytes_sent=9),
        ],
    )
    log.close()
    (line,) = map(json.loads, (tmp_path / "log").read_text().splitlines())
    assert (line["request_protocol"], line["bytes_sent"], line["method"]) == ("tcp", 9, "")
    assert line["destination_workload"] == "reviews-v1"


def test_the_epoch_has_milliseconds_too() -> None:
    assert start_time(0.0) == "1970-01-01T00:00:00.000Z"


def test_a_time_no_calendar_has_is_not_known() -> None:
    assert start_time(float(1 << 62)) is None


def test_every_line_of_the_file_is_one_request(tmp_path: Path, node: Node, entry: AccessLogEntry) -> None:
    log = JsonLines(tmp_path / "deep" / "access_log.jsonl")
    evil = replace(entry, user_agent='"}\n{"response_code": 500, "x": "\u2028')
    log.handle(node, [entry, evil])
    log.handle(node, [entry])
    lines = (tmp_path / "deep" / "access_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["response_code"] for line in lines] == [200, 200, 200]
    assert json.loads(lines[1])["user_agent"] == evil.user_agent
    log.close()


def test_a_full_file_is_rotated_and_the_oldest_goes(
    tmp_path: Path, node: Node, entry: AccessLogEntry
) -> None:
    path = tmp_path / "log"
    log = JsonLines(path, max_bytes=1, kept=2)
    for number in range(5):
        log.handle(node, [replace(entry, request_id=str(number))])
    log.close()
    files = {file.name: json.loads(file.read_text())["request_id"] for file in tmp_path.iterdir()}
    assert files == {"log": "4", "log.1": "3", "log.2": "2"}


def test_a_restart_goes_on_where_the_file_ended(tmp_path: Path, node: Node, entry: AccessLogEntry) -> None:
    for _ in range(2):
        log = JsonLines(tmp_path / "log")
        log.handle(node, [entry])
        log.close()
    assert len((tmp_path / "log").read_text().splitlines()) == 2
