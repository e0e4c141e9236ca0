"""The YAML of the gateway lab is what galley takes without a word, sabotaged or not."""

from __future__ import annotations

import pytest

from labs.gateway.config import SABOTAGES, mesh_yaml, secret_yaml
from labs.harness.authority import Authority
from mesh.galley.parse import parse

FILES = {
    "ingress.yaml": {},
    "api.yaml": {"API_ADDRESS": "10.0.0.1", "BANK_ADDRESS": "10.0.0.2"},
    "egress.yaml": {},
}


@pytest.mark.parametrize("sabotage", ["", *SABOTAGES])
@pytest.mark.parametrize("name", FILES)
def test_every_file_is_good_configuration(name: str, sabotage: str) -> None:
    parsed = parse(mesh_yaml(name, sabotage, **FILES[name]), name)
    assert not parsed.faults
    assert [warning for one in parsed.candidates.values() for warning in one.warnings] == []


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_sabotage_changes_one_file(sabotage: str) -> None:
    changed = [name for name in FILES if parse(mesh_yaml(name, sabotage), name) and _differs(name, sabotage)]
    assert len(changed) == 1


def _differs(name: str, sabotage: str) -> bool:
    values = FILES[name]
    good, bad = (parse(mesh_yaml(name, word, **values), name).candidates for word in ("", sabotage))
    return any(good[key].content != bad[key].content for key in good)


def test_a_secret_is_one() -> None:
    authority = Authority()
    [candidate] = parse(secret_yaml("a", authority.issue("a"), authority), "s").candidates.values()
    assert candidate.warnings == ()
    assert candidate.config.roots_pem == authority.root_pem  # type: ignore[attr-defined]
