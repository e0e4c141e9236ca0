"""The fast writer says what Envoy's message says (its round trip is in test_access_log)."""

from __future__ import annotations

from envoy.service.accesslog.v3 import als_pb2

from mesh.model.access_log_entry import AccessLogEntry
from mesh.xds.codec.access_log import decode_entry, encode_entry
from mesh.xds.codec.access_log_writer import batch_bytes, entry_bytes


def entry(path: str) -> AccessLogEntry:
    return AccessLogEntry("source", 1.5, 0.25, "GET", path, "HTTP/1.1", "reviews:9080", 200)


def test_the_bytes_are_the_message() -> None:
    assert encode_entry(entry("/x")).FromString(entry_bytes(entry("/x"))) == encode_entry(entry("/x"))


def test_a_batch_is_one_stream_message_that_may_carry_the_identifier() -> None:
    identifier = als_pb2.StreamAccessLogsMessage(identifier={"log_name": "mixer"})
    entries = [entry("/" + "x" * length) for length in (1, 100, 20_000)]
    written = batch_bytes(entries, identifier.SerializeToString())
    message = als_pb2.StreamAccessLogsMessage.FromString(written)
    assert message.identifier.log_name == "mixer"
    assert [decode_entry(logged) for logged in message.http_logs.log_entry] == entries


def test_an_empty_batch_carries_no_entry() -> None:
    assert not als_pb2.StreamAccessLogsMessage.FromString(batch_bytes([])).http_logs.log_entry
