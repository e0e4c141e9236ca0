from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mesh.model.version import VERSION

if TYPE_CHECKING:
    from tests.mesh.ctl.conftest import Meshctl


def test_all_three_parts_are_told(in_mesh: Meshctl) -> None:
    assert in_mesh("version").out.splitlines() == [
        f"client version: {VERSION}",
        f"control plane version: {VERSION}",
        f"data plane version: {VERSION} (python), 1 proxy",
    ]
    assert json.loads(in_mesh("version", "-o", "json").out)["data_plane"] == {f"{VERSION} (python)": 1}


def test_the_client_alone_needs_no_control_plane(meshctl: Meshctl) -> None:
    assert meshctl("version", "--no-remote").out == f"client version: {VERSION}\n"


def test_without_a_control_plane_its_version_is_unknown(meshctl: Meshctl) -> None:
    said = meshctl("version", "--control-plane", "http://127.0.0.1:1")
    assert (said.status, "control plane version: unknown: cannot reach" in said.out) == (0, True)
