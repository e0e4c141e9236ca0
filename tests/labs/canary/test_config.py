from __future__ import annotations

import pytest
import yaml

from labs.canary import config


def weights(text: str) -> list[int]:
    return [route["weight"] for route in yaml.safe_load(text)["spec"]["http"][0]["route"]]


def test_without_sabotage_the_files_are_applied_as_they_are() -> None:
    for path in config.FOLDER.glob("*.yaml"):
        assert config.mesh_yaml(path.name) == path.read_text()


def test_every_stage_has_a_rule_name_of_its_own() -> None:
    names = []
    for path in config.FOLDER.glob("*.yaml"):
        document = yaml.safe_load(path.read_text())
        if document["kind"] == "VirtualService":
            names += [rule["name"] for rule in document["spec"]["http"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("name", "split"), [("canary-5.yaml", [95, 5]), ("canary-50.yaml", [50, 50])])
def test_weights_are_what_the_name_says(name: str, split: list[int]) -> None:
    assert weights(config.mesh_yaml(name)) == split


def test_each_sabotage_spoils_its_own_file_only() -> None:
    assert weights(config.mesh_yaml("canary-5.yaml", "weights")) == [80, 20]
    assert "iPhone" not in config.mesh_yaml("iphone.yaml", "regex")
    assert "everybody-else" in config.mesh_yaml("iphone.yaml", "regex")
    assert "DISABLE" in config.mesh_yaml("strict-mtls.yaml", "mtls")
    assert config.mesh_yaml("iphone.yaml", "weights") == config.mesh_yaml("iphone.yaml")
