from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from mesh.ctl import app

if TYPE_CHECKING:
    from tests.mesh.ctl.conftest import Mesh, Meshctl

VERBS = (
    "apply", "get", "delete", "proxy-status", "ps", "proxy-config", "pc", "version", "token", "control-plane",
    "proxy", "lab", "inject",
)  # fmt: skip


def test_help_lists_every_verb_and_teaches(meshctl: Meshctl) -> None:
    said = meshctl("--help")
    assert said.status == 0
    assert all(verb in said.out for verb in VERBS)
    assert "meshctl apply -f rules/ --wait" in said.out


@pytest.mark.parametrize("verb", ["apply", "get", "delete", "ps", "pc", "control-plane"])
def test_help_of_a_verb_has_examples(meshctl: Meshctl, verb: str) -> None:
    said = meshctl(verb, "--help")
    assert (said.status, "  meshctl " in said.out) == (0, True)


def test_help_of_the_sidecar_is_its_own(meshctl: Meshctl) -> None:
    said = meshctl("--control-plane", "http://x:1", "proxy", "--help")
    assert (said.status, "--service-account" in said.out) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ps",),
        ("get", "vs"),
        ("pc", "routes", "x"),
        ("apply", "-f", "-"),
        ("delete", "vs", "x"),
    ],
)
def test_without_a_control_plane_one_line_says_so(
    meshctl: Meshctl, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("MESH_CONTROL_PLANE", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MESH_TOKEN_FILE", "/dev/null")
    monkeypatch.setattr("sys.stdin", __import__("io").StringIO("kind: X"))
    said = meshctl(*arguments)
    assert (said.status, said.out) == (1, "")
    (line,) = said.err.splitlines()
    assert "connection refused" in line
    assert "MESH_CONTROL_PLANE" in line


@pytest.mark.parametrize("arguments", [("nothing",), ("apply",), ("get",), ("ps", "--no-such-flag")])
def test_wrong_use_is_status_2(meshctl: Meshctl, arguments: tuple[str, ...]) -> None:
    said = meshctl(*arguments)
    assert (said.status, "Traceback" in said.err) == (2, False)


def test_options_may_stand_before_the_verb(
    mesh: Mesh, meshctl: Meshctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESH_CONTROL_PLANE", "http://127.0.0.1:1")
    assert meshctl("--control-plane", mesh.url, "ps").status == 0


def test_a_part_that_is_missing_says_so(meshctl: Meshctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.LOADED_ON_DEMAND, "lab", ("mesh.ctl.no_such_module", "Labs."))
    said = meshctl("lab", "run", "canary", "--seed", "1")
    assert (said.status, said.err) == (1, "meshctl: lab: this installation has no mesh.ctl.no_such_module\n")


def test_a_bug_is_one_line_too(meshctl: Meshctl, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(app, "build", lambda _: lambda *a, **k: broken(None))
    said = meshctl("version")
    assert (said.status, said.err) == (1, "meshctl: ZeroDivisionError: oops\n")
