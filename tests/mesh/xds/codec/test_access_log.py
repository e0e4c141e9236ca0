"""Access log entries: ours come back whole, Envoy's own are read."""

from __future__ import annotations

from dataclasses import replace

from envoy.data.accesslog.v3 import accesslog_pb2
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.peer import Peer
from mesh.xds.codec.access_log import decode_entry, encode_entry
from mesh.xds.codec.peer import encode_peer
from mesh.xds.codec.response_flags import FLAGS

text = st.text(st.characters(codec="utf-8"), max_size=8)
size = st.integers(0, 2**40)
millis = st.integers(0, 10**7).map(lambda ms: ms / 1000)
address = st.sampled_from(("", "127.64.1.1:9080", "[::1]:80", "10.0.0.9:65535", "/run/app.sock", "a:99999"))
spiffe = st.sampled_from(("", "spiffe://cluster.local/ns/default/sa/reviews"))
name = st.text("abc-1", min_size=1, max_size=6)
peer = st.builds(Peer, name, name, name, name, name, name, name)
flags = st.lists(st.sampled_from(list(FLAGS)), unique=True, max_size=3).map(
    lambda some: ",".join(flag for flag in FLAGS if flag in some) or "-"
)
entry = st.builds(
    AccessLogEntry,
    reporter=st.sampled_from(("source", "destination")),
    start_time=st.integers(0, 2**31 * 1000).map(lambda ms: ms / 1000),
    duration_s=millis,
    method=st.sampled_from(("GET", "POST", "PURGE")),
    path=text,
    protocol=st.sampled_from(("HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3")),
    authority=text,
    response_code=st.sampled_from((0, 100, 200, 503, 599)),
    response_flags=flags,
    response_code_details=text,
    connection_termination_details=text,
    upstream_transport_failure_reason=text,
    bytes_received=size,
    bytes_sent=size,
    request_header_bytes=size,
    response_header_bytes=size,
    upstream_service_time_s=st.none() | millis,
    scheme=st.sampled_from(("http", "https")),
    user_agent=text,
    request_id=text,
    forwarded_for=text,
    upstream_host=address,
    upstream_cluster=text,
    upstream_local_address=address,
    downstream_local_address=address,
    downstream_remote_address=address,
    requested_server_name=text,
    route_name=text,
    tls_version=st.sampled_from(("", "TLSv1.2", "TLSv1.3")),
    source_principal=spiffe,
    destination_principal=spiffe,
    source=peer,
    destination=peer,
    grpc_status=st.sampled_from(("", "0", "14")),
    request_messages=st.integers(0, 2**40),
    response_messages=st.integers(0, 2**40),
)


@settings(max_examples=150, deadline=None)
@given(entry)
def test_an_entry_comes_back_as_it_went_to_who_knows_its_sender(sent: AccessLogEntry) -> None:
    local = sent.source if sent.reporter == "source" else sent.destination
    assert decode_entry(encode_entry(sent), local) == sent


def test_a_moment_comes_back_as_it_went() -> None:
    """In nanoseconds it would be no whole float."""
    sent = replace(decode_entry(made("")), start_time=650_519_174.375)
    assert decode_entry(encode_entry(sent)).start_time == sent.start_time


def made(source: str) -> accesslog_pb2.HTTPAccessLogEntry:
    return text_format.Parse(source, accesslog_pb2.HTTPAccessLogEntry())


def test_an_inbound_envoy_entry_names_its_caller_by_header_and_certificate() -> None:
    caller = Peer("productpage-v1", "default", "productpage", "v1", "productpage", "v1", "Kubernetes")
    here = Peer("reviews-v1")
    message = made(
        f"""
        common_properties {{
          tls_properties {{
            tls_version: TLSv1_3
            peer_certificate_properties {{ subject_alt_name {{ uri: "spiffe://a/ns/b/sa/c" }} }}
          }}
          upstream_cluster: "inbound|9080||"
          custom_tags {{ key: "reporter" value: "destination" }}
          custom_tags {{ key: "source_peer" value: "{encode_peer(caller)}" }}
          custom_tags {{ key: "upstream_peer_principal" value: "-" }}
        }}
        """
    )
    entry = decode_entry(message, here)
    assert (entry.source, entry.destination) == (caller, here)
    assert (entry.source_principal, entry.destination_principal) == ("spiffe://a/ns/b/sa/c", "")


def test_an_outbound_envoy_entry_names_its_server_by_endpoint_and_tags() -> None:
    message = made(
        """
        common_properties {
          custom_tags { key: "reporter" value: "source" }
          custom_tags { key: "destination_peer" value: "reviews-v2;default;reviews;v2;Kubernetes" }
          custom_tags { key: "upstream_peer_principal" value: "spiffe://a/ns/b/sa/reviews" }
        }
        """
    )
    entry = decode_entry(message)
    assert entry.destination.workload == "reviews-v2"
    assert entry.destination_principal == "spiffe://a/ns/b/sa/reviews"


def test_a_rewritten_path_is_logged_as_it_was_asked_for() -> None:
    assert decode_entry(made('request { path: "/new" original_path: "/old" }')).path == "/old"


def test_without_a_reporter_tag_the_cluster_tells_the_side() -> None:
    assert (
        decode_entry(made('common_properties { upstream_cluster: "inbound|80||" }')).reporter == "destination"
    )
    assert decode_entry(made('common_properties { upstream_cluster: "outbound|80||a" }')).reporter == "source"


def test_a_peer_that_cannot_be_read_is_unknown() -> None:
    for nonsense in ("not base64!", "AAAA", "a;b", "-"):
        message = made('common_properties { custom_tags { key: "reporter" value: "destination" } }')
        message.common_properties.custom_tags["source_peer"] = nonsense
        assert decode_entry(message).source == Peer()


def test_an_envoy_entry_of_a_call_without_a_status_has_that_of_http() -> None:
    message = made("")
    message.response.response_code.value = 503
    assert decode_entry(message).grpc_status == ""
    message.request.request_headers["content-type"] = "application/grpc"
    assert decode_entry(message).grpc_status == "14"
    message.response.response_trailers["grpc-status"] = "5"
    assert decode_entry(message).grpc_status == "5"
