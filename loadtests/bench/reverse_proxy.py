"""nginx and HAProxy, when they are installed: one plain reverse proxy, no mesh, its own access log line."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from labs.harness.runtime import RuntimeFailure
from loadtests.bench.load import Load
from loadtests.bench.round import MEASURED_CORE, Figures, measure, pin

PORT = 9079  # at the origin's own address
ORIGIN_PORT = 9080

_NGINX = """\
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log combined buffer=64k;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 100000000;
  upstream origin {{ server {address}:{origin_port}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen {address}:{port};
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""
_HAPROXY = """\
global
  nbthread 1
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind {address}:{port}
  default_backend origin
backend origin
  http-reuse always
  server origin {address}:{origin_port}
"""
_PROXIES = {
    "nginx": (_NGINX, ("nginx", "-e", "stderr", "-c")),
    "HAProxy": (_HAPROXY, ("haproxy", "-db", "-f")),
}


def installed() -> list[str]:
    """Debian puts both where a user's PATH may not lead."""
    return [name for name, (_, argv) in _PROXIES.items() if _program(argv[0])]


async def measure_reverse_proxy(name: str, address: str, folder: Path, load: Load) -> Figures:
    """One round of ``load`` against the proxy, which forwards to the origin at ``address``."""
    async with _running(name, address, folder) as pid:
        return await measure(name, [pid], load)


@contextlib.asynccontextmanager
async def _running(name: str, address: str, folder: Path) -> AsyncIterator[int]:
    _, (program, *options) = _PROXIES[name]
    file = _configured(name, address, folder)
    process = await asyncio.create_subprocess_exec(
        _program(program) or program, *options, str(file), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await _listens(name, process, address)
        pin(process.pid, MEASURED_CORE)
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _configured(name: str, address: str, folder: Path) -> Path:
    template, _ = _PROXIES[name]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.conf"
    file.write_text(template.format(folder=folder, address=address, port=PORT, origin_port=ORIGIN_PORT))
    return file


async def _listens(name: str, process: asyncio.subprocess.Process, address: str) -> None:
    async with asyncio.timeout(10):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(address, PORT)
                writer.close()
                return
            await asyncio.sleep(0.02)
    raise RuntimeFailure(f"{name} ended with status {process.returncode}")


def _program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
