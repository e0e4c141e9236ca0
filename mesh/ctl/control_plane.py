"""``meshctl control-plane``: galley, pilot, citadel and mixer in one process."""

from __future__ import annotations

import asyncio
import logging
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mesh.ctl.errors import CommandError
from mesh.model.names import CONTROL_PLANE_HTTP_PORT, XDS_PLAINTEXT_PORT, XDS_TLS_PORT
from mesh.model.protocol import DETECTION_TIMEOUT_S


class OutboundPolicy(StrEnum):
    """Istio's ``meshConfig.outboundTrafficPolicy.mode``."""

    ALLOW_ANY = "ALLOW_ANY"
    REGISTRY_ONLY = "REGISTRY_ONLY"


def control_plane(
    address: Annotated[
        str, typer.Option(metavar="IP", help="The address all its ports are on.")
    ] = "127.0.0.1",
    data_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="Its CA key, tokens, applied objects and access logs.")
    ] = Path("mesh-data"),
    config_dir: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="A directory of Istio YAML to watch; may be given more than once."),
    ] = None,
    xds_port: Annotated[int, typer.Option(help="gRPC, plaintext.")] = XDS_PLAINTEXT_PORT,
    secure_port: Annotated[int, typer.Option(help="gRPC over TLS, for sidecars.")] = XDS_TLS_PORT,
    http_port: Annotated[int, typer.Option(help="Configuration API, debug pages, metrics.")] = (
        CONTROL_PLANE_HTTP_PORT
    ),
    outbound_traffic_policy: Annotated[
        OutboundPolicy, typer.Option(help="Whether applications reach hosts that the mesh does not know.")
    ] = OutboundPolicy.ALLOW_ANY,
    protocol_detection_timeout: Annotated[
        float,
        typer.Option(
            metavar="SECONDS",
            min=0.0,
            help="How long a client may be silent on a port that does not say what it speaks; 0: for ever.",
        ),
    ] = DETECTION_TIMEOUT_S,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the control plane.

    Until SIGTERM or Ctrl-C.

    \b
    meshctl control-plane --data-dir mesh-data --config-dir rules/
    meshctl token create reviews --namespace default --data-dir mesh-data > token
    meshctl proxy --control-plane 127.0.0.1:15012 --token-file token ...
    """
    from mesh.control_plane.server import Options, run

    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    options = Options(
        data_dir=data_dir,
        address=address,
        config_dirs=config_dir or [],
        xds_port=xds_port,
        secure_port=secure_port,
        http_port=http_port,
        registry_only=outbound_traffic_policy is OutboundPolicy.REGISTRY_ONLY,
        protocol_detection_timeout_s=protocol_detection_timeout,
    )
    try:
        asyncio.run(run(options))
    except OSError as error:
        raise CommandError(f"control-plane: {error}") from error
