"""``meshctl inject``: a compose file in, the same with sidecars out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mesh.ctl.errors import CommandError
from mesh.platform.docker import compose_file
from mesh.platform.docker.base_image import ImageError
from mesh.platform.docker.engine import EngineError, connect
from mesh.platform.docker.image import ensure_image
from mesh.platform.docker.inject import Injected, InjectError, Options
from mesh.platform.docker.inject import inject as add_sidecars
from mesh.proxy.bootstrap import MAX_CONCURRENCY

DATAPLANES = ("python", "envoy")


def inject(
    file: Annotated[
        str, typer.Option("--filename", "-f", metavar="FILE", help='A compose file; "-": standard input.')
    ],
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write; default: standard output."),
    ] = None,
    dataplane: Annotated[str, typer.Option(help="What the sidecars run: python or envoy.")] = "python",
    concurrency: Annotated[
        int,
        typer.Option(min=0, max=MAX_CONCURRENCY, help="Workers of each sidecar; 0: one for each processor."),
    ] = 1,
    config_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Istio YAML for the control plane to watch.")
    ] = None,
    image: Annotated[
        str, typer.Option(help="The mesh's image; default: this checkout's, built if it is not there.")
    ] = "",
) -> None:
    """Add sidecars to a compose file, and a control plane.

    \b
    meshctl inject -f compose/bookinfo.yaml -o mesh.yaml
    docker-compose -f mesh.yaml up -d
    docker-compose -f mesh.yaml exec -T istiod meshctl ps
    docker-compose -f mesh.yaml exec -T istiod meshctl apply --wait -f - < rules.yaml

    A service joins the mesh as what its labels say (all optional):

    \b
    mesh.service: reviews                    the service it belongs to; without: it only calls
    mesh.port: http:9080                     name:port[:target], comma separated
    mesh.service-account: bookinfo-reviews   its identity
    app, version, ...                        every other label: for subsets and metrics
    sidecar.istio.io/inject: "false"         leave this service alone
    traffic.sidecar.istio.io/...             Istio's annotations for what is intercepted
    """
    if dataplane not in DATAPLANES:
        raise CommandError(f"--dataplane: expected one of {', '.join(DATAPLANES)}, got {dataplane!r}", 2)
    document = _read(file)
    folder = str(config_dir.resolve()) if config_dir else ""
    try:
        image = image or ensure_image(connect(), _say)
        injected = add_sidecars(document, Options(image, dataplane, concurrency, folder))
    except (EngineError, ImageError) as error:
        raise CommandError(f"inject: {error} (--image NAME takes an image as it is)") from error
    except InjectError as error:
        raise CommandError(f"{file}: {error}") from error
    text = compose_file.write(injected.document)
    if out is None:
        sys.stdout.write(text)
    else:
        out.write_text(text)
    _explain(injected, out)


def _read(file: str) -> compose_file.Document:
    try:
        if file == "-":
            return compose_file.read(sys.stdin.read(), Path.cwd())
        return compose_file.read(Path(file).read_text(), Path(file).resolve().parent)
    except (OSError, compose_file.ComposeFileError) as error:
        raise CommandError(f"{file}: {error}") from error


def _explain(injected: Injected, out: Path | None) -> None:
    """What the reader of the file must know, on standard error."""
    for name, why in injected.left_alone.items():
        _say(f"{name}: no sidecar ({why})")
    for name in injected.clients:
        _say(f"{name}: a client only; to route calls to it, label it mesh.service and mesh.port")
    if out is not None:
        _say(f"wrote {out}; next: docker-compose -f {out} up -d")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
