"""Compose files as text: paths become absolute, nothing changes its meaning on the way."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mesh.platform.docker.compose_file import ComposeFileError, read, write

FOLDER = Path("/project/compose")


def service(text: str) -> dict[str, object]:
    found: dict[str, object] = read("services:\n  a:\n    " + text.replace("\n", "\n    "), FOLDER)[
        "services"
    ]["a"]
    return found


def test_relative_paths_start_at_the_file_not_where_it_is_used() -> None:
    assert service("build: .")["build"] == "/project/compose"
    assert service("build: {context: ../app}")["build"] == {"context": "/project/app"}
    assert service("env_file: .env")["env_file"] == "/project/compose/.env"
    assert service("env_file: [a.env, /b.env]")["env_file"] == ["/project/compose/a.env", "/b.env"]


def test_of_volumes_only_paths_are_made_absolute() -> None:
    found = service("volumes: ['./data:/data:ro', 'data:/data', '/abs:/data', '~/x:/x', '${DIR}:/y']")[
        "volumes"
    ]
    assert found == ["/project/compose/data:/data:ro", "data:/data", "/abs:/data", "~/x:/x", "${DIR}:/y"]
    assert service("volumes: [{type: bind, source: ./a, target: /a}]")["volumes"] == [
        {"type": "bind", "source": "/project/compose/a", "target": "/a"}
    ]


def test_urls_and_variables_stay() -> None:
    assert service("build: https://example.com/app.git")["build"] == "https://example.com/app.git"
    assert service("build: $CONTEXT")["build"] == "$CONTEXT"


def test_configs_and_secrets_are_files_too() -> None:
    document = read(
        "services: {a: {image: x}}\nsecrets: {key: {file: ./key}}\nconfigs: {c: {external: true}}", FOLDER
    )
    assert document["secrets"]["key"]["file"] == "/project/compose/key"
    assert document["configs"]["c"] == {"external": True}


def test_values_that_yaml_versions_read_differently_come_out_as_text() -> None:
    """`22:22` is 1342 and `on` is true to YAML 1.1, which docker-compose 1.29 reads."""
    document = read("services: {a: {image: x, ports: [22:22], environment: {FLAG: on}}}", FOLDER)
    again = yaml.safe_load(write(document))
    assert again["services"]["a"]["ports"] == ["22:22"]
    assert again["services"]["a"]["environment"] == {"FLAG": "on"}


def test_anchors_and_merge_keys_are_resolved() -> None:
    document = read("x-a: &a {init: true}\nservices: {a: {<<: *a, image: x}}", FOLDER)
    assert document["services"]["a"] == {"init": True, "image": "x"}
    assert "&" not in write(document)


@pytest.mark.parametrize("text", ["services: [", "- a\n- b", "just text"])
def test_what_is_no_compose_file_is_refused(text: str) -> None:
    with pytest.raises(ComposeFileError):
        read(text, FOLDER)
