import pytest

from mesh.model.listener import FilterChain, FilterChainMatch, TcpProxy
from mesh.proxy.chain_match import choose_chain, needs_tls_inspector
from mesh.proxy.connection_info import ConnectionInfo


def chain(name, **match):
    return FilterChain(name, TcpProxy("p", "c"), FilterChainMatch(**match))


def chosen(chains, default=None, **info):
    port = info.pop("port", 80)
    found = choose_chain(chains, default, ConnectionInfo(local=("10.0.0.1", port), **info))
    return found.name if found is not None else None


def test_the_port_goes_first_and_there_is_no_way_back():
    chains = [chain("tls", transport_protocol="tls"), chain("9080", destination_port=9080)]
    assert chosen(chains, port=9080, transport_protocol="tls") == "9080"
    assert chosen(chains, port=1, transport_protocol="tls") == "tls"
    narrow = [chain("any"), chain("9080 tls", destination_port=9080, transport_protocol="tls")]
    assert chosen(narrow, port=9080) is None
    assert chosen(narrow, chain("default"), port=9080) == "default"


def test_the_longest_prefix_of_the_address_goes_before_the_server_name():
    chains = [
        chain("wide", destination_ranges=("192.0.2.0/24", "10.0.0.0/8")),
        chain("near", destination_ranges=("10.0.0.0/30",), server_names=("a",)),
        chain("named", server_names=("b",)),
        chain("other", destination_ranges=("10.0.0.4/30", "fd00::/8")),
    ]
    assert chosen(chains, server_name="a") == "near"
    assert chosen(chains, server_name="b") is None
    assert chosen(chains[:1] + chains[2:], server_name="b") == "wide"
    assert chosen(chains[2:], server_name="b") == "named"
    assert chosen(chains[2:], chain("default"), server_name="c") == "default"


def test_server_names_exact_then_longest_suffix_then_none():
    chains = [
        chain("exact", server_names=("a.b.c",)),
        chain("long", server_names=("*.b.c",)),
        chain("short", server_names=("*.c",)),
        chain("none"),
    ]
    names = {"a.b.c": "exact", "x.b.c": "long", "x.y.c": "short", "d": "none", "": "none"}
    assert {name: chosen(chains, server_name=name) for name in names} == names


def test_permissive_tells_by_transport_and_application_protocol():
    chains = [
        chain("mtls", transport_protocol="tls", application_protocols=("istio",)),
        chain("tls", transport_protocol="tls"),
        chain("plain", transport_protocol="raw_buffer"),
    ]
    assert chosen(chains, transport_protocol="tls", application_protocols=("istio", "h2")) == "mtls"
    assert chosen(chains, transport_protocol="tls", application_protocols=("h2",)) == "tls"
    assert chosen(chains) == "plain"


def test_of_several_protocols_the_one_the_client_names_first_decides():
    chains = [
        chain("bytes", transport_protocol="tls", application_protocols=("istio", "istio-peer-exchange")),
        chain("http", transport_protocol="tls", application_protocols=("istio-http/1.1", "istio-h2")),
    ]
    offered = {"transport_protocol": "tls"}
    assert chosen(chains, **offered, application_protocols=("istio-http/1.1", "istio")) == "http"
    assert chosen(chains, **offered, application_protocols=("istio", "istio-h2")) == "bytes"
    assert chosen(chains, **offered, application_protocols=("h2", "istio-h2")) == "http"
    assert chosen(chains, **offered, application_protocols=("h2",)) is None


@pytest.mark.parametrize(
    ("match", "needed"),
    [
        ({"destination_port": 1}, False),
        ({"transport_protocol": "raw_buffer", "application_protocols": ("http/1.1",)}, False),
        ({"transport_protocol": "tls"}, True),
        ({"server_names": ("a.example",)}, True),
        ({"application_protocols": ("h2",)}, True),
    ],
)
def test_a_client_hello_is_needed_where_only_it_can_tell(match, needed):
    assert needs_tls_inspector([chain("a", **match)]) is needed
