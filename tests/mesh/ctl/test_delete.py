from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mesh.ctl.delete import keys_in
from mesh.ctl.errors import CommandError

if TYPE_CHECKING:
    from tests.mesh.ctl.conftest import Meshctl

CONFIG = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings, namespace: prod}
spec: {host: ratings}
"""


@pytest.fixture
def file(in_mesh: Meshctl, tmp_path: Path) -> str:
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG)
    assert in_mesh("apply", "-f", str(path)).status == 0
    return str(path)


def test_what_a_file_names_is_deleted_where_it_is(in_mesh: Meshctl, file: str) -> None:
    said = in_mesh("delete", "-f", file, "--wait")
    assert said.out.splitlines()[:2] == ["destinationrule/reviews deleted", "destinationrule/ratings deleted"]
    assert said.out.splitlines()[2] == "in force: 1 of 1 sidecars serve it"
    assert in_mesh("get", "all", "-A").out == "No resources found\n"


def test_by_name_and_what_is_not_there_is_said_after_the_rest(in_mesh: Meshctl, file: str) -> None:
    said = in_mesh("delete", "dr", "nothing", "reviews")
    assert (said.status, said.out) == (1, "destinationrule/reviews deleted\n")
    assert said.err == "meshctl: not found: destinationrule/nothing in namespace default\n"


@pytest.mark.parametrize("arguments", [(), ("vs",), ("vs", "a", "-f", "x")])
def test_neither_and_both_of_name_and_file_are_wrong_use(
    meshctl: Meshctl, arguments: tuple[str, ...]
) -> None:
    said = meshctl("delete", *arguments)
    assert (said.status, said.err) == (2, "meshctl: delete: expected KIND NAME..., or -f FILE\n")


@pytest.mark.parametrize("text", ["a: 1", "- 1", "kind: VirtualService\nmetadata: {}", "x: [", "3"])
def test_a_document_that_names_nothing_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(CommandError, match=r"rules\.yaml: "):
        keys_in([("rules.yaml", text)], "default")
