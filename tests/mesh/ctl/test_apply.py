from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.mesh.ctl.conftest import Mesh, Meshctl

from mesh.ctl.apply import read_files
from mesh.ctl.errors import CommandError

RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}]
"""
TO_V1 = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route: [{destination: {host: reviews, subset: v1}}]
"""


def test_each_object_is_named_with_what_became_of_it(in_mesh: Meshctl, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULE + "---\n" + TO_V1)
    first = in_mesh("apply", "-f", str(file), "--wait")
    assert (first.status, first.err) == (0, "")
    assert first.out.splitlines() == [
        "destinationrule/reviews created",
        "virtualservice/reviews created",
        "in force: 1 of 1 sidecars serve it",
    ]
    file.write_text(RULE + "---\n" + TO_V1.replace("http:", "http:\n  - directResponse: {status: 418}"))
    assert in_mesh("apply", "-f", str(file)).out.splitlines() == [
        "destinationrule/reviews unchanged",
        "virtualservice/reviews configured",
    ]


def test_every_fault_has_its_file_and_line_and_good_objects_are_applied(
    in_mesh: Meshctl, tmp_path: Path
) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(RULE + "---\n" + TO_V1.replace("http:", "htpp:").replace("hosts:", "hostz:"))
    said = in_mesh("apply", "-f", str(file))
    assert (said.status, said.out) == (1, "destinationrule/reviews created\n")
    faults = [line for line in said.err.splitlines() if line.startswith(str(file))]
    assert any(line.startswith(f"{file}:12: VirtualService default/reviews") for line in faults)
    assert any('did you mean "http"' in line for line in faults)
    assert said.err.splitlines()[-1].startswith(f"meshctl: {len(faults)} fault")


def test_a_directory_stands_for_its_yaml_files_and_a_dash_for_stdin(
    in_mesh: Meshctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "rule.yml").write_text(RULE)
    (tmp_path / "notes.txt").write_text("not yaml: [")
    monkeypatch.setattr("sys.stdin", io.StringIO(TO_V1))
    said = in_mesh("apply", "-f", str(tmp_path), "-f", "-")
    assert said.out.splitlines() == ["destinationrule/reviews created", "virtualservice/reviews created"]


def test_a_fault_on_stdin_is_at_its_line_there(in_mesh: Meshctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("kind: [\n"))
    said = in_mesh("apply", "-f", "-")
    assert said.status == 1
    assert said.err.startswith("<stdin>:")


@pytest.mark.parametrize(
    ("token", "said"), [("wrong", "refused the token"), (None, "cannot read the admin token")]
)
def test_without_the_admin_token_nothing_is_changed(
    mesh: Mesh, meshctl: Meshctl, tmp_path: Path, token: str | None, said: str
) -> None:
    file, token_file = tmp_path / "rules.yaml", tmp_path / "token"
    file.write_text(RULE)
    if token is not None:
        token_file.write_text(token)
    refused = meshctl("apply", "-f", str(file), "--control-plane", mesh.url, "--token-file", str(token_file))
    assert (refused.status, refused.out) == (1, "")
    assert said in refused.err
    assert len(refused.err.splitlines()) == 1
    assert "No resources" in meshctl("get", "all", "--control-plane", mesh.url).out


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file or directory"), (b"\xff", "not UTF-8 text")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "x.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(CommandError, match=f"x.yaml: {said}"):
        read_files([str(file)])


def test_a_directory_without_yaml_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no YAML file in this directory"):
        read_files([str(tmp_path)])
