"""An address that is another sidecar's, or nobody's."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from mesh.ctl import in_container
from mesh.ctl.errors import CommandError
from mesh.ctl.sidecar import Sidecar

WANTED = "sidecar~10.9.9.9~a.default~x"
NOT_CONTAINED = in_container.NoContainerError("no container has the address 10.9.9.9")


class Everything(BaseHTTPRequestHandler):
    """The control plane, and a sidecar that says it is ``node_id``."""

    node_id = ""

    def do_GET(self) -> None:
        host, port = self.server.server_address[:2]
        admin = f"{host!s}:{port}"
        answers: dict[str, Any] = {
            "/debug/syncz": {"proxies": [{"proxy": "a.default", "id": WANTED, "admin": admin}]},
            "/server_info": {"node": {"id": self.node_id}},
            "/config_dump?include_eds": {"configs": [], "from": "outside"},
        }
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answers[self.path]).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Everything) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_the_sidecar_that_was_asked_for_answers(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Everything, "node_id", WANTED)
    assert Sidecar(url, "a").config_dump()["from"] == "outside"


def test_anothers_configuration_is_never_shown(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(address: str, _: str) -> bytes:
        assert address == "10.9.9.9"
        raise NOT_CONTAINED

    monkeypatch.setattr(Everything, "node_id", "sidecar~10.0.0.1~b.default~x")
    monkeypatch.setattr(in_container, "fetch", fetch)
    with pytest.raises(
        CommandError, match=r"leads to sidecar~10\.0\.0\.1~b\.default~x; no container has the address"
    ):
        Sidecar(url, "a").config_dump()


def test_a_container_is_asked_from_inside(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_: str, target: str) -> bytes:
        answer = (
            {"node": {"id": WANTED}} if target.endswith("/server_info") else {"configs": [], "from": "inside"}
        )
        return json.dumps(answer).encode()

    monkeypatch.setattr(in_container, "fetch", fetch)
    assert Sidecar(url, "a").config_dump()["from"] == "inside"
