from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mesh.ctl.api import ControlPlane, NotFoundError
from mesh.ctl.errors import CommandError


class Odd(BaseHTTPRequestHandler):
    """A server that is no control plane."""

    def do_GET(self) -> None:
        status, body = {
            "/text": (200, b"<html>"),
            "/missing": (404, b'{"error": "proxy x: not connected"}'),
            "/broken": (500, b"first line\nsecond line"),
            "/empty": (503, b""),
            "/refused": (401, b'{"error": "expected a token"}'),
        }[self.path]
        self.send_response(status)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def odd() -> Iterator[ControlPlane]:
    with HTTPServer(("127.0.0.1", 0), Odd) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield ControlPlane(f"127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/text", "did not answer in JSON: is it a control plane?"),
        ("/broken", "the control plane answered 500: first line$"),
        ("/empty", "answered 503: no reason given"),
        ("/refused", "refused the token: expected a token"),
    ],
)
def test_odd_answers_are_one_line(odd: ControlPlane, path: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        odd.get(path)


def test_not_found_can_be_told_apart(odd: ControlPlane) -> None:
    with pytest.raises(NotFoundError, match=r"^proxy x: not connected$"):
        odd.get("/missing")


def test_the_environments_proxy_is_never_used(odd: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with pytest.raises(NotFoundError):
        odd.get("/missing")


@pytest.mark.parametrize("url", ["https://x", "http://", "ftp://x:1"])
def test_a_url_that_cannot_be_is_wrong_use(url: str) -> None:
    with pytest.raises(CommandError, match="expected http://host:port") as wrong:
        ControlPlane(url)
    assert wrong.value.status == 2


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(CommandError, match=r"no such host nobody\.invalid:15014"):
        ControlPlane("http://nobody.invalid:15014").get("/x")
