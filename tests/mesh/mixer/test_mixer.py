"""The road of an access log entry: the sidecar's sender, a stream, mixer, its adapters."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mesh.grpc.channel import Channel
from mesh.mixer.mixer import Mixer
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.request_report import split
from mesh.model.standard_metrics import HTTP_LABELS, http_labels
from mesh.proxy.als import AccessLogService
from mesh.proxy.stats import Stats
from mesh.xds.codec.access_log_batch import BatchEncoder

if TYPE_CHECKING:
    from tests.mesh.mixer.conftest import MixerServer


async def test_what_a_sidecar_sends_is_on_disk_and_in_the_metrics_to_the_request(
    mixer_server: MixerServer, open_channel: Callable[[], Channel], node: Node, entry: AccessLogEntry
) -> None:
    service = AccessLogService(node, open_channel, Stats(), BatchEncoder(), flush_interval_s=0.01)
    await service.start()
    for number in range(500):
        service.add(split(replace(entry, request_id=str(number), response_code=200 if number % 5 else 503)))
    await service.stop()  # the stream has ended in order: mixer has all of it
    mixer_server.mixer.close()  # and the adapters are done
    lines = (mixer_server.directory / "access_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["request_id"] for line in lines] == [str(number) for number in range(500)]
    labels = dict(zip(HTTP_LABELS, http_labels(entry, node), strict=True))
    assert mixer_server.value("istio_requests_total", labels) == 400
    assert mixer_server.value("istio_requests_total", labels | {"response_code": "503"}) == 100
    proxy = {"proxy": "productpage-v1-0.default"}
    assert mixer_server.value("mixer_access_log_entries_total", proxy) == 500
    assert mixer_server.value("mixer_access_log_streams") == 0
    assert b"istio_requests_total{" in mixer_server.mixer.metrics()


def test_an_unknown_adapter_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mixer adapter 'statsd': expected one of prometheus, jsonlines"):
        Mixer.open(tmp_path, names=("statsd",))
