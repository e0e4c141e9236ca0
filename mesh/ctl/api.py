"""The control plane's HTTP API as meshctl calls it. Every failure becomes one CommandError.

Proxies of the environment (HTTP_PROXY) are never used: in this mesh that variable points applications at
their sidecar, and the control plane is not behind one.
"""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from mesh.ctl.errors import CommandError
from mesh.ctl.options import CONTROL_PLANE_ENV, DEFAULT_TOKEN_FILE, TOKEN_FILE_ENV

TIMEOUT_S = 10.0


class NotFoundError(CommandError):
    """The control plane answered 404."""


class ControlPlane:
    """``url`` is http://host:port; ``token_file`` may be "" when nothing is to be changed."""

    def __init__(self, url: str, token_file: str = "") -> None:
        parts = urlsplit(url if "//" in url else f"http://{url}")
        if parts.scheme != "http" or not parts.hostname:
            raise CommandError(f"--control-plane: expected http://host:port, got {url!r}", 2)
        self.url = f"http://{parts.netloc}"
        self._netloc = parts.netloc
        self._token_file = token_file

    def get(self, path: str, query: dict[str, str] | None = None) -> Any:
        return self._json(*self._call("GET", _target(path, query), None, TIMEOUT_S))

    def apply(self, text: str, file: str, wait_s: float | None) -> tuple[int, Any]:
        """POST one file's text: the status (200, or 400 for faults) and the answer."""
        query = {"file": file} | _wait(wait_s)
        status, body = self._call(
            "POST", _target("/config", query), text.encode(), TIMEOUT_S + (wait_s or 0), authorize=True
        )
        if status not in (200, 400):
            self._json(status, body)
        return status, _parse(body, self.url)

    def delete(self, kind: str, namespace: str, name: str, wait_s: float | None) -> Any:
        target = _target(f"/config/{kind}/{quote(namespace, '')}/{quote(name, '')}", _wait(wait_s))
        return self._json(*self._call("DELETE", target, None, TIMEOUT_S + (wait_s or 0), authorize=True))

    def _call(
        self, method: str, target: str, body: bytes | None, timeout_s: float, *, authorize: bool = False
    ) -> tuple[int, bytes]:
        headers = {"content-type": "application/yaml"} if body is not None else {}
        if authorize:
            headers["authorization"] = f"Bearer {self._token()}"
        return call(self._netloc, method, target, body, headers, timeout_s, self._unreachable)

    def _unreachable(self, reason: str) -> CommandError:
        return CommandError(
            f"cannot reach the control plane at {self.url}: {reason} "
            f"(is it running? --control-plane or {CONTROL_PLANE_ENV} says where)"
        )

    def _token(self) -> str:
        path = Path(self._token_file or DEFAULT_TOKEN_FILE)
        try:
            return path.read_text().strip()
        except OSError as error:
            raise CommandError(
                f"cannot read the admin token {path}: {error.strerror} "
                f"(--token-file or {TOKEN_FILE_ENV} says where; it is in the control plane's data directory)"
            ) from error

    def _json(self, status: int, body: bytes) -> Any:
        if status in (401, 403):
            raise CommandError(f"the control plane refused the token: {_reason(body)}")
        if status == 404:
            raise NotFoundError(_reason(body))
        if status >= 400:
            raise CommandError(f"the control plane answered {status}: {_reason(body)}")
        return _parse(body, self.url)


def call(
    netloc: str,
    method: str,
    target: str,
    body: bytes | None,
    headers: dict[str, str],
    timeout_s: float,
    unreachable: Any,
) -> tuple[int, bytes]:
    """One HTTP call; ``unreachable(reason)`` makes the error for a server that is not there."""
    connection = http.client.HTTPConnection(netloc, timeout=timeout_s)
    try:
        connection.request(method, target, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except TimeoutError as error:
        raise unreachable(f"no answer in {timeout_s:g} s") from error
    except socket.gaierror as error:
        raise unreachable(f"no such host {netloc}") from error
    except OSError as error:
        raise unreachable((error.strerror or str(error)).lower()) from error
    except http.client.HTTPException as error:
        raise unreachable(f"not an HTTP answer: {error}") from error
    finally:
        connection.close()


def _target(path: str, query: dict[str, str] | None) -> str:
    return path + (f"?{urlencode(query)}" if query else "")


def _wait(wait_s: float | None) -> dict[str, str]:
    return {} if wait_s is None else {"wait": f"{wait_s:g}"}


def _parse(body: bytes, url: str) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise CommandError(f"{url} did not answer in JSON: is it a control plane?") from error


def _reason(body: bytes) -> str:
    """The message of an error's JSON, or its text."""
    text = body.decode("utf-8", "replace").strip()
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict):
        text = str(parsed.get("error") or parsed.get("message") or text)
    return text.splitlines()[0] if text else "no reason given"
