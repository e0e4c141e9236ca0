"""The health check: one GET, 200 or not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from mesh.platform.docker import probe


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_200_is_health_and_nothing_else_is(url: str) -> None:
    assert probe.answers(f"{url}/200")
    assert not probe.answers(f"{url}/503")
    assert not probe.answers(f"{url}/404")


def test_of_a_tcp_port_it_is_enough_that_somebody_listens(url: str) -> None:
    assert probe.answers(url.replace("http:", "tcp:"))


@pytest.mark.parametrize("scheme", ["http", "tcp"])
def test_nobody_there_is_no_health(scheme: str) -> None:
    assert not probe.answers(f"{scheme}://127.0.0.1:1/")


def test_the_exit_status_says_it(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main([f"{url}/200"]) == 0
    assert probe.main([f"{url}/503"]) == 1
    assert "no answer within 0 s" in capsys.readouterr().err
