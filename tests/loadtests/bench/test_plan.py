from __future__ import annotations

import argparse
from dataclasses import replace

import pytest

from loadtests.bench.__main__ import build_of, parts_of
from loadtests.bench.plan import PARTS
from loadtests.bench.settings import PORTS, ROUTING, SETTINGS, Setting, topology
from mesh.galley.parse import parse


def test_parts_are_chosen_by_name() -> None:
    assert parts_of("tcp,idle") == ["tcp", "idle"]
    with pytest.raises(argparse.ArgumentTypeError, match="no part 'tpc'; there are plaintext, mtls"):
        parts_of("tpc")


def test_it_says_which_build_it_measures() -> None:
    assert build_of("/mesh/proxy/exchange.py") == "interpreted"
    assert build_of("/c/mesh/proxy/exchange.cpython-311-x86_64-linux-gnu.so").startswith("compiled")


def test_every_part_has_a_name_of_its_own() -> None:
    assert len(set(PARTS)) == len(PARTS)


def test_every_setting_goes_to_a_port_the_origin_serves() -> None:
    (server, _) = topology().workloads
    assert {setting.port for setting in SETTINGS} == set(PORTS) == {port.number for port in server.ports}


@pytest.mark.parametrize("setting", [*SETTINGS, replace(ROUTING, virtual_hosts=3)], ids=lambda s: s.key)
def test_every_setting_is_configuration_galley_takes(setting: Setting) -> None:
    parsed = parse(setting.yaml, "setting.yaml")
    assert not parsed.faults
    assert len(parsed.candidates) == 2 + (setting.virtual_hosts if setting.virtual_hosts > 1 else 0)
