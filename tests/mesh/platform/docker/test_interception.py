"""Options to rules: what is led through the sidecar, and what is not."""

from __future__ import annotations

import pytest

from mesh.platform.docker.interception import (
    OWN_PORTS,
    Interception,
    arguments,
    from_annotations,
    jumps,
    restore_text,
)
from mesh.platform.docker.sidecar import parser


def rules(options: Interception, chain: str) -> list[str]:
    start = f"-A {chain} "
    return [line.removeprefix(start) for line in restore_text(options).splitlines() if line.startswith(start)]


def test_the_restore_text_declares_each_chain_and_so_flushes_it() -> None:
    lines = restore_text(Interception()).splitlines()
    assert lines[0] == "*nat"
    assert lines[-1] == "COMMIT"
    declared = {line.split()[0].removeprefix(":") for line in lines if line.startswith(":")}
    used = {line.split()[1] for line in lines if line.startswith("-A")}
    assert declared == used


def test_the_text_never_touches_a_chain_that_is_not_ours() -> None:
    """Docker's own DNS rules stand in OUTPUT: the jumps are appended one by one, never restored."""
    assert all(" OUTPUT" not in line for line in restore_text(Interception()).splitlines())
    assert [jump[0] for jump in jumps()] == ["PREROUTING", "OUTPUT"]


def test_inbound_takes_all_but_the_sidecars_own_ports() -> None:
    found = rules(Interception(), "ISTIO_INBOUND")
    assert found[:-1] == [f"-p tcp --dport {port} -j RETURN" for port in OWN_PORTS]
    assert found[-1] == "-p tcp -j ISTIO_IN_REDIRECT"
    assert {15020, 15021, 15090} < set(OWN_PORTS)


def test_outbound_exempts_the_sidecar_and_loopback_before_it_redirects() -> None:
    found = rules(Interception(), "ISTIO_OUTPUT")
    assert found == [
        "-m owner --uid-owner 1337 -j RETURN",
        "-m owner --gid-owner 1337 -j RETURN",
        "-o lo -j RETURN",
        "-d 127.0.0.0/8 -j RETURN",
        "-p tcp -j ISTIO_REDIRECT",
    ]


def test_a_pod_that_calls_its_own_service_comes_back_in_through_its_sidecar() -> None:
    found = rules(Interception(inbound_ports=("9080",)), "ISTIO_OUTPUT")
    wanted = "-o lo ! -d 127.0.0.0/8 -p tcp --dport 9080 -m owner --uid-owner 1337 -j ISTIO_IN_REDIRECT"
    assert found[0] == wanted


def test_included_inbound_ports_are_the_only_ones_taken() -> None:
    found = rules(Interception(include_inbound_ports=("80", "443")), "ISTIO_INBOUND")
    assert found[-2:] == [f"-p tcp --dport {port} -j ISTIO_IN_REDIRECT" for port in (80, 443)]


def test_excluded_inbound_ports_go_past_the_sidecar() -> None:
    assert "-p tcp --dport 22 -j RETURN" in rules(
        Interception(exclude_inbound_ports=("22",)), "ISTIO_INBOUND"
    )


def test_excludes_of_outbound_traffic_win_over_includes() -> None:
    options = Interception(exclude_outbound_ports=("5432",), exclude_outbound_ip_ranges=("10.0.0.0/8",))
    found = rules(options, "ISTIO_OUTPUT")
    last = found.index("-p tcp -j ISTIO_REDIRECT")
    assert found.index("-p tcp --dport 5432 -j RETURN") < last
    assert found.index("-d 10.0.0.0/8 -j RETURN") < last


def test_included_ranges_leave_all_others_alone() -> None:
    found = rules(Interception(include_outbound_ip_ranges=("172.16.0.0/12",)), "ISTIO_OUTPUT")
    assert found[-1] == "-d 172.16.0.0/12 -p tcp -j ISTIO_REDIRECT"
    assert "-p tcp -j ISTIO_REDIRECT" not in found


def test_included_outbound_ports_are_taken_though_their_range_is_excluded() -> None:
    options = Interception(include_outbound_ports=("8080",), exclude_outbound_ip_ranges=("10.0.0.0/8",))
    found = rules(options, "ISTIO_OUTPUT")
    assert found.index("-p tcp --dport 8080 -j ISTIO_REDIRECT") < found.index("-d 10.0.0.0/8 -j RETURN")


def test_annotations_read_as_istio_spells_them() -> None:
    found = from_annotations(
        {
            "traffic.sidecar.istio.io/excludeInboundPorts": "22, 2222",
            "traffic.sidecar.istio.io/includeOutboundIPRanges": "*",
            "traffic.sidecar.istio.io/excludeInterfaces": "eth1",
            "app": "reviews",
        }
    )
    assert found == Interception(exclude_inbound_ports=("22", "2222"), exclude_interfaces=("eth1",))


@pytest.mark.parametrize(
    ("annotation", "text", "complaint"),
    [
        ("excludeInboundPort", "22", "no such annotation"),
        ("excludeInboundPorts", "22,ssh", "'ssh'"),
        ("excludeInboundPorts", "70000", "1 to 65535"),
        ("excludeInboundPorts", "*", "1 to 65535"),
        ("includeOutboundIPRanges", "10.0.0.0/99", "10.0.0.0/99"),
    ],
)
def test_a_wrong_annotation_is_named(annotation: str, text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match="traffic.sidecar.istio.io/" + annotation) as refused:
        from_annotations({f"traffic.sidecar.istio.io/{annotation}": text})
    assert complaint in str(refused.value)


def test_what_is_written_for_the_entry_is_what_it_reads() -> None:
    options = Interception(
        ("80",), ("22",), ("8080",), ("5432",), ("10.0.0.0/8",), ("10.1.0.0/16",), ("eth1",)
    )
    flags = vars(parser().parse_args(["--control-plane", "istiod:15012", *arguments(options), "--", "true"]))
    assert Interception(**{field: flags[field] for field in Interception.__slots__}) == options
