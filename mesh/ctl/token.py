"""``meshctl token``: the bootstrap tokens with which sidecars prove who they are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from mesh.ctl.errors import CommandError
from mesh.ctl.options import NamespaceOption, duration_s

token = typer.Typer(help="Make bootstrap tokens for sidecars.", no_args_is_help=True)


@token.callback()
def _group() -> None:
    """Make bootstrap tokens for sidecars."""


@token.command()
def create(
    service_account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="e.g. bookinfo-reviews")],
    namespace: NamespaceOption = "default",
    duration: Annotated[str, typer.Option(metavar="DURATION", help="How long it is good, e.g. 24h.")] = "24h",
    data_dir: Annotated[
        Path, typer.Option(metavar="DIR", help="The control plane's, which holds the key.")
    ] = Path("mesh-data"),
) -> None:
    """Print a token for a service account; the machine that makes it must hold the control plane's data.

    \b
      meshctl token create bookinfo-reviews --data-dir mesh-data > reviews.token
    """
    from mesh.citadel.ca import CaError
    from mesh.citadel.tokens import Tokens

    if not data_dir.is_dir():
        raise CommandError(f"{data_dir}: no such directory (--data-dir is the control plane's)")
    try:
        made = Tokens.open(data_dir).issue(
            namespace, service_account, timedelta(seconds=duration_s(duration, "--duration"))
        )
    except OSError as error:
        raise CommandError(f"{error.filename or data_dir}: {error.strerror}") from error
    except (ValueError, CaError) as error:
        raise CommandError(f"token: {error}") from error
    print(made)
