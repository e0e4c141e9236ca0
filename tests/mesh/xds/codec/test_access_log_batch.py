"""The sender's encoder says what encode_entry says, whatever came before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from envoy.service.accesslog.v3 import als_pb2
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.peer import Peer
from mesh.xds.codec.access_log import decode_entry, encode_entry
from mesh.xds.codec.access_log_batch import BatchEncoder

FULL = AccessLogEntry(
    "source",
    1_700_000_000.25,
    0.5,
    "GET",
    "/reviews/0",
    "HTTP/1.1",
    "reviews:9080",
    200,
    "UF,URX",
    "via_upstream",
    bytes_received=3,
    bytes_sent=300,
    request_header_bytes=200,
    response_header_bytes=100,
    upstream_service_time_s=0.004,
    user_agent="curl/8",
    request_id="4f0a7a50",
    forwarded_for="10.0.0.9",
    upstream_host="127.64.3.2:9080",
    upstream_cluster="outbound|9080|v1|reviews.default.svc.cluster.local",
    upstream_local_address="127.0.0.1:45454",
    downstream_local_address="127.64.1.2:15001",
    downstream_remote_address="127.0.0.1:55555",
    route_name="default",
    source_principal="spiffe://cluster.local/ns/default/sa/a",
    destination_principal="spiffe://cluster.local/ns/default/sa/b",
    source=Peer(workload="productpage-v1"),
    destination=Peer(workload="reviews-v1"),
)
BARE = AccessLogEntry("destination", 0.0, 0.0, "GET", "", "HTTP/1.1", "", 0)
VARIANTS = {
    "start_time": (1.0, 1_700_000_000.75),
    "duration_s": (0.0, 12.25),
    "path": ("", "/" + "x" * 5000),
    "response_code": (0, 503),
    "bytes_sent": (0, 1 << 33),
    "upstream_service_time_s": (None, 0.0, 0.25),
    "downstream_remote_address": ("", "[::1]:80", "@pipe"),
    "upstream_local_address": ("", "[::1]:80", "127.0.0.1:45455", "@pipe"),
    "request_id": ("", "another"),
    "forwarded_for": ("", "1.2.3.4, 5.6.7.8"),
    "user_agent": ("", "iPhone"),
    "grpc_status": ("", "14"),
    "request_messages": (0, 3),
    "response_messages": (0, 1),
    "reporter": ("destination",),
    "destination": (Peer(), Peer(workload="reviews-v2")),
}


def variant(base: AccessLogEntry, field: str, choice: int) -> AccessLogEntry:
    values = VARIANTS[field]
    return replace(base, **{field: values[choice % len(values)]})  # type: ignore[arg-type]


entries = st.builds(
    variant, st.sampled_from((FULL, BARE)), st.sampled_from(sorted(VARIANTS)), st.integers(0, 3)
)


def written(entry: AccessLogEntry) -> AccessLogEntry:
    return decode_entry(encode_entry(entry))


@given(st.lists(entries, max_size=6))
def test_nothing_of_one_entry_is_left_in_the_next(batch: list[AccessLogEntry]) -> None:
    message = als_pb2.StreamAccessLogsMessage.FromString(BatchEncoder().encode(batch))
    assert [decode_entry(logged) for logged in message.http_logs.log_entry] == [
        written(entry) for entry in batch
    ]


def test_the_identifier_stands_in_front() -> None:
    identifier = als_pb2.StreamAccessLogsMessage(identifier={"log_name": "mixer"}).SerializeToString()
    message = als_pb2.StreamAccessLogsMessage.FromString(BatchEncoder().encode([FULL], identifier))
    assert message.identifier.log_name == "mixer"
    assert len(message.http_logs.log_entry) == 1


def test_requests_on_new_connections_share_what_is_remembered() -> None:
    encoder = BatchEncoder()
    encoder.encode(replace(FULL, upstream_local_address=f"127.0.0.1:{port}") for port in range(40000, 40100))
    assert len(encoder._constant) == 1


def test_what_is_remembered_is_bounded() -> None:
    encoder = BatchEncoder()
    encoder.encode(replace(FULL, user_agent=str(number)) for number in range(5000))
    assert len(encoder._constant) <= 1024


def test_a_sender_keeps_nothing_of_what_it_has_encoded(allocated_bytes: Callable[[], int]) -> None:
    encoder = BatchEncoder()

    def encode_batches(numbers: range) -> None:
        for number in numbers:
            encoder.encode([replace(FULL, request_id=f"{number:036}", path=f"/{i}") for i in range(32)])

    encode_batches(range(20))
    before = allocated_bytes()
    encode_batches(range(20, 520))
    assert (allocated_bytes() - before) / (500 * 32) < 10  # bytes an entry; its own texts are 100
