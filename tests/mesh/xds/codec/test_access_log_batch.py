"""The sender's encoder says what encode_entry says, whatever came before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

from envoy.service.accesslog.v3 import als_pb2
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.peer import Peer
from mesh.model.request_report import MAX_KNOWN, CommonFacts, split
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
    message = als_pb2.StreamAccessLogsMessage.FromString(BatchEncoder().encode(map(split, batch)))
    assert [decode_entry(logged) for logged in message.http_logs.log_entry] == [
        written(entry) for entry in batch
    ]


TEXTS = st.text(max_size=200)
ADDRESSES = (
    st.sampled_from(("", "127.0.0.1:80", "[::1]:65535", "10.0.0.1:x", "@pipe", "1.2.3.4:70000")) | TEXTS
)
NAMES = [field.name for field in fields(AccessLogEntry) if field.type in ("str", str)]
anything = st.builds(
    AccessLogEntry,
    reporter=st.sampled_from(("source", "destination")),
    start_time=st.floats(0, 4e9),
    duration_s=st.floats(0, 1e9),
    response_code=st.integers(0, 999),
    upstream_service_time_s=st.none() | st.floats(0, 1e6),
    bytes_received=st.integers(0, (1 << 63) - 1),
    bytes_sent=st.integers(0, (1 << 63) - 1),
    request_header_bytes=st.integers(0, 1 << 20),
    response_header_bytes=st.integers(0, 1 << 20),
    request_messages=st.integers(0, 300),
    response_messages=st.integers(0, 300),
    **{name: ADDRESSES if name.endswith(("_address", "_host")) else TEXTS for name in NAMES},
)


@given(st.lists(anything, max_size=3))
def test_whatever_an_entry_says_its_message_is_that_of_the_whole(batch: list[AccessLogEntry]) -> None:
    known: dict[tuple[object, ...], CommonFacts] = {}
    reports = [split(entry, known) for entry in batch]
    message = als_pb2.StreamAccessLogsMessage.FromString(BatchEncoder().encode(reports))
    assert list(message.http_logs.log_entry) == [encode_entry(entry) for entry in batch]


def test_the_identifier_stands_in_front() -> None:
    identifier = als_pb2.StreamAccessLogsMessage(identifier={"log_name": "mixer"}).SerializeToString()
    message = als_pb2.StreamAccessLogsMessage.FromString(BatchEncoder().encode([split(FULL)], identifier))
    assert message.identifier.log_name == "mixer"
    assert len(message.http_logs.log_entry) == 1


def test_what_is_remembered_is_bounded() -> None:
    encoder = BatchEncoder()
    encoder.encode(split(replace(FULL, authority=str(number))) for number in range(5000))
    assert 0 < len(encoder._common) <= MAX_KNOWN


def test_a_sender_keeps_nothing_of_what_it_has_encoded(allocated_bytes: Callable[[], int]) -> None:
    encoder = BatchEncoder()
    known: dict[tuple[object, ...], CommonFacts] = {}

    def encode_batches(numbers: range) -> None:
        for number in numbers:
            batch = [replace(FULL, request_id=f"{number:036}", path=f"/{i}") for i in range(32)]
            encoder.encode([split(entry, known) for entry in batch])

    encode_batches(range(20))
    before = allocated_bytes()
    encode_batches(range(20, 520))
    assert (allocated_bytes() - before) / (500 * 32) < 10  # bytes an entry; its own texts are 100
