"""Reports of connections: ours come back whole, Envoy's own are read."""

from __future__ import annotations

from dataclasses import replace

from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.xds.codec.connection_log import ConnectionBatchEncoder, decode_connection, encode_connection

text = st.text(st.characters(codec="utf-8"), max_size=8)
spiffe = st.sampled_from(("", "spiffe://cluster.local/ns/default/sa/db"))
address = st.sampled_from(("", "127.64.1.1:3306", "[::1]:80"))
peer = st.sampled_from((UNKNOWN_PEER, Peer("db-v1", "default", "db", "v1", "db", "v1", "Kubernetes")))
report = st.builds(
    AccessLogEntry,
    reporter=st.sampled_from(("source", "destination")),
    start_time=st.integers(0, 2**31 * 1000).map(lambda ms: ms / 1000),
    duration_s=st.integers(0, 10**7).map(lambda ms: ms / 1000),
    method=st.just(""),
    path=st.just(""),
    protocol=st.just(""),
    authority=st.just(""),
    response_code=st.just(0),
    response_flags=st.sampled_from(("-", "UF,URX", "UH")),
    connection_termination_details=text,
    upstream_transport_failure_reason=text,
    bytes_received=st.integers(0, 2**40),
    bytes_sent=st.integers(0, 2**40),
    upstream_host=address,
    upstream_cluster=text,
    upstream_local_address=address,
    downstream_local_address=address,
    downstream_remote_address=address,
    requested_server_name=text,
    tls_version=st.sampled_from(("", "TLSv1.3")),
    source_principal=spiffe,
    destination_principal=spiffe,
    source=peer,
    destination=peer,
    access_log_type=st.sampled_from(("TcpUpstreamConnected", "TcpPeriodic", "TcpConnectionEnd")),
    stream_id=text,
)


@settings(max_examples=100, deadline=None)
@given(report)
def test_a_report_comes_back_as_it_went_to_who_knows_its_sender(sent: AccessLogEntry) -> None:
    local = sent.source if sent.reporter == "source" else sent.destination
    assert decode_connection(encode_connection(sent), local) == sent


@settings(max_examples=20, deadline=None)
@given(st.lists(report, max_size=3))
def test_a_batch_is_one_message_of_a_stream(sent: list[AccessLogEntry]) -> None:
    identifier = als_pb2.StreamAccessLogsMessage(identifier={"log_name": "mixer"}).SerializeToString()
    message = als_pb2.StreamAccessLogsMessage.FromString(ConnectionBatchEncoder().encode(sent, identifier))
    assert message.identifier.log_name == "mixer"
    decoded = [decode_connection(one) for one in message.tcp_logs.log_entry]
    assert [replace(one, source=UNKNOWN_PEER, destination=UNKNOWN_PEER).stream_id for one in decoded] == [
        one.stream_id for one in sent
    ]


def test_who_does_not_say_which_moment_it_is_reports_at_the_end() -> None:
    message = text_format.Parse(
        'connection_properties { received_bytes: 5 sent_bytes: 7 } common_properties { stream_id: "x" }',
        accesslog_pb2.TCPAccessLogEntry(),
    )
    found = decode_connection(message)
    assert (found.access_log_type, found.bytes_received, found.bytes_sent) == ("TcpConnectionEnd", 5, 7)
