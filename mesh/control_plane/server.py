"""The control plane as one process. Read ``_start``: it is the order in which everything comes up, and,
backwards, the order in which it goes down.

    directories, API --> galley --> pilot --> sidecars (ADS)
                                    citadel <-- sidecars (CSRs)
                                    mixer   <-- sidecars (access logs)
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import CollectorRegistry, disable_created_metrics

from mesh.citadel.ca import CaError, CertificateAuthority
from mesh.citadel.interceptor import authenticated
from mesh.citadel.metrics import CitadelMetrics
from mesh.citadel.private_file import PrivateFileError
from mesh.citadel.tokens import Tokens
from mesh.control_plane.admin_token import open_admin_token
from mesh.control_plane.config_api import ConfigApi
from mesh.control_plane.debug_api import DebugApi
from mesh.control_plane.grpc_port import Citadel, listen, make_server
from mesh.control_plane.http_port import StatusPages, application, serve
from mesh.galley.galley import Galley
from mesh.galley.metrics import GalleyMetrics
from mesh.mixer.mixer import Mixer
from mesh.model.names import CONTROL_PLANE_HTTP_PORT, XDS_PLAINTEXT_PORT, XDS_TLS_PORT
from mesh.model.protocol import DETECTION_TIMEOUT_S
from mesh.model.version import VERSION
from mesh.pilot.debounce import Debounce
from mesh.pilot.discovery import Pilot
from mesh.pilot.metrics import PilotMetrics

log = logging.getLogger("mesh.control_plane")


class CannotStart(OSError):
    """Something the control plane needs cannot be used; one line says what."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a control plane is told once, when it starts."""

    data_dir: Path
    address: str = "127.0.0.1"
    config_dirs: Sequence[Path] = ()
    xds_port: int = XDS_PLAINTEXT_PORT
    secure_port: int = XDS_TLS_PORT
    http_port: int = CONTROL_PLANE_HTTP_PORT
    registry_only: bool = False  # outbound traffic policy REGISTRY_ONLY rather than ALLOW_ANY
    protocol_detection_timeout_s: float = DETECTION_TIMEOUT_S
    debounce: Debounce = field(default_factory=Debounce)


async def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT. Raises OSError (CannotStart, PortTaken) when it cannot begin."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        await _start(options, stack)
        log.info("ready on %s: %s", options.address, _ports(options))
        # what exists now lives as long as the process; collecting it again and again stalls pushes (67-79 ms)
        gc.freeze()
        await stop.wait()
        log.info("stopping")


async def _start(options: Options, stack: AsyncExitStack) -> None:
    disable_created_metrics()  # type: ignore[no-untyped-call]  # Istio's metrics have no *_created beside them
    registry = CollectorRegistry()
    citadel, admin_token = _open_secrets(options.data_dir, registry)
    galley = Galley(options.data_dir, options.config_dirs, metrics=GalleyMetrics(registry))
    stack.push_async_callback(galley.stop)
    await galley.start()
    mixer = Mixer.open(options.data_dir / "mixer", caller=authenticated)
    stack.push_async_callback(asyncio.to_thread, mixer.close)
    pilot = Pilot(
        galley.snapshot,
        options.data_dir / "pilot" / "registry.json",
        PilotMetrics(registry, VERSION),
        identity=authenticated,
        debounce=options.debounce,
        registry_only=options.registry_only,
        protocol_detection_timeout_s=options.protocol_detection_timeout_s,
    )
    stack.callback(galley.subscribe(pilot.configure))
    pilot.start()
    server = make_server(citadel, pilot, mixer)
    listen(server, citadel.ca, options.address, options.xds_port, options.secure_port)
    stack.push_async_callback(server.stop, None)
    await server.start()
    stack.callback(pilot.close)  # first: streams that end from here on say nothing about their proxies
    app = application(
        ConfigApi(galley, pilot, admin_token), DebugApi(pilot), StatusPages(pilot, mixer, registry)
    )
    runner = await serve(app, options.address, options.http_port)
    stack.push_async_callback(runner.cleanup)


def _open_secrets(data_dir: Path, registry: CollectorRegistry) -> tuple[Citadel, str]:
    """The CA, the tokens' key and the admin token. Raises CannotStart."""
    try:
        ca = CertificateAuthority.open(data_dir)
        citadel = Citadel(ca, Tokens.open(data_dir), CitadelMetrics(ca, registry))
        return citadel, open_admin_token(data_dir)
    except (CaError, PrivateFileError) as fault:
        raise CannotStart(str(fault)) from fault


def _ports(options: Options) -> str:
    return (
        f"xDS {options.xds_port} (plaintext), {options.secure_port} (TLS),"
        f" HTTP {options.http_port}, data in {options.data_dir}"
    )
