"""The table of verbs. ``inject`` and ``lab`` are loaded only when they are asked for."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from mesh.ctl.apply import apply
from mesh.ctl.control_plane import control_plane
from mesh.ctl.delete import delete
from mesh.ctl.errors import CommandError
from mesh.ctl.get import get
from mesh.ctl.options import CONTROL_PLANE_ENV, TOKEN_FILE_ENV
from mesh.ctl.proxy_config import proxy_config
from mesh.ctl.proxy_status import proxy_status
from mesh.ctl.token import token
from mesh.ctl.version import version

HELP = """\
A service mesh in Python, in Istio's language.

\b
  meshctl lab run canary               watch a canary, and the proof of it
  meshctl control-plane --help         run a mesh of your own, step by step
  meshctl apply -f rules/ --wait       change it; return when every sidecar serves the change
  meshctl ps                           which sidecar has which configuration
  meshctl pc routes reviews-v1-0       what one sidecar does with a request
"""

# verb -> (its module, its line in the help); the module offers a function of the verb's name or a Typer `app`
LOADED_ON_DEMAND = {
    "inject": ("mesh.ctl.inject", "Add sidecars to a compose file."),
    "lab": ("mesh.ctl.lab", "List and run the labs."),
}
# a verb's other names -> the verb; both istioctl's
SHORT = {"ps": "proxy-status", "pc": "proxy-config"}
VERBS: dict[str, Callable[..., None]] = {
    "control-plane": control_plane,
    "apply": apply,
    "get": get,
    "delete": delete,
    "proxy-status": proxy_status,
    "version": version,
}
GROUPS: dict[str, typer.Typer] = {"proxy-config": proxy_config, "token": token}


def main_options(
    control_plane: Annotated[
        str, typer.Option("--control-plane", metavar="URL", help="Where the control plane's HTTP port is.")
    ] = "",
    token_file: Annotated[
        str, typer.Option("--token-file", metavar="FILE", help="The control plane's admin-token.")
    ] = "",
) -> None:
    """Options before the verb mean the same as after it."""
    if control_plane:
        os.environ[CONTROL_PLANE_ENV] = control_plane
    if token_file:
        os.environ[TOKEN_FILE_ENV] = token_file


def _run_sidecar(context: typer.Context) -> None:
    from mesh.proxy.__main__ import main as proxy

    raise typer.Exit(proxy(context.args))


def _missing(verb: str, module: str) -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        raise CommandError(f"{verb}: this installation has no {module}")

    return command


def _add_on_demand(app: typer.Typer, verb: str, wanted: bool) -> None:
    module_name, line = LOADED_ON_DEMAND[verb]
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    try:
        module: Any = importlib.import_module(module_name) if wanted else None
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        module = None
    command: Any = getattr(module, verb, None)
    if module is None:
        app.command(verb, help=line, context_settings=settings)(_missing(verb, module_name))
    elif command is not None:
        app.command(verb)(command)
    else:
        app.add_typer(module.app, name=verb, help=line)


def build(arguments: Sequence[str]) -> typer.Typer:
    app = typer.Typer(
        help=HELP,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(main_options)
    settings = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}
    app.command("proxy", help="Run one workload's sidecar.", context_settings=settings)(_run_sidecar)
    for verb, command in VERBS.items():
        app.command(verb)(command)
    for verb, group in GROUPS.items():
        app.add_typer(group, name=verb)
    for short, verb in SHORT.items():
        if verb in VERBS:
            app.command(short, hidden=True)(VERBS[verb])
        else:
            app.add_typer(GROUPS[verb], name=short, hidden=True)
    for verb in LOADED_ON_DEMAND:
        _add_on_demand(app, verb, verb in arguments)
    return app


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; gives the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        build(given)(given, prog_name="meshctl")
    except SystemExit as end:
        return int(end.code or 0)
    except CommandError as error:
        print(f"meshctl: {error}", file=sys.stderr)
        return error.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        logging.getLogger("mesh.ctl").debug("unexpected", exc_info=True)
        print(f"meshctl: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0
