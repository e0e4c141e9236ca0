"""``meshctl proxy``: the sidecar's command line. Kept light: argparse, and the engine imported last."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mesh.model.names import is_ip
from mesh.model.node import Node, ServicePort
from mesh.model.protocol import protocol_of
from mesh.proxy.bootstrap import MAX_CONCURRENCY, Bootstrap
from mesh.proxy.overload import OverloadLimits

EXAMPLES = """\
examples:
  # a sidecar for reviews v1 on loopback: the app listens on 127.64.3.1:9080, callers come to 127.64.3.2
  meshctl proxy --name reviews-v1-0 --service-account bookinfo-reviews --workload reviews-v1 \\
      --labels app=reviews,version=v1 --service reviews --port http:9080 \\
      --address 127.64.3.2 --app-address 127.64.3.1 --interception NONE \\
      --control-plane 127.64.0.1:15012 --root-cert root-cert.pem --token-file token

  # a gateway: the Gateways with the selector istio=ingressgateway say what it listens on
  meshctl proxy --type router --name ingress-0 --namespace istio-system --service-account ingress \\
      --workload ingress --labels istio=ingressgateway --address 127.64.9.2 \\
      --control-plane 127.64.0.1:15012 --root-cert root-cert.pem --token-file token

  # the same with the real Envoy as the engine
  meshctl proxy --dataplane envoy ...
"""


def parse_port(text: str) -> ServicePort:
    """``name:number[:target]``; the protocol is told by the name, as in Istio."""
    parts = text.split(":")
    if len(parts) not in (2, 3) or not all(part.isdigit() for part in parts[1:]):
        raise argparse.ArgumentTypeError(f"expected name:port[:target port], got {text!r}")
    name, number = parts[0], int(parts[1])
    return ServicePort(name, number, int(parts[-1]), protocol_of(name, number))


def parse_labels(text: str) -> dict[str, str]:
    """``key=value,key=value``; an empty text is no labels."""
    pairs = [pair.partition("=") for pair in text.split(",") if pair]
    for key, equals, _ in pairs:
        if not key or not equals:
            raise argparse.ArgumentTypeError(f"expected key=value,key=value, got {text!r}")
    return {key: value for key, _, value in pairs}


def parse_concurrency(text: str) -> int:
    """How many workers; 0, which in Envoy is "as many as there are processors", is that here too."""
    if not text.isdigit() or int(text) > MAX_CONCURRENCY:
        raise argparse.ArgumentTypeError(
            f"expected 1..{MAX_CONCURRENCY}, or 0 for all processors, got {text!r}"
        )
    return int(text) or len(os.sched_getaffinity(0))


def parse_outbound(text: str) -> tuple[str, str]:
    """``host=IP``, the host in full."""
    host, equals, address = text.partition("=")
    if not host or not equals or not is_ip(address):
        raise argparse.ArgumentTypeError(f"expected host=IP, got {text!r}")
    return host, address


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="meshctl proxy",
        description="Run the sidecar of one workload, or a gateway, until SIGTERM (which drains it).",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--type",
        choices=("sidecar", "router"),
        default="sidecar",
        help="router: it stands beside nobody, and serves the Gateways whose selector has its labels",
    )
    who = made.add_argument_group("who it stands beside")
    who.add_argument("--name", required=True, help="the pod's name, unique in its namespace")
    who.add_argument("--namespace", default="default")
    who.add_argument("--service-account", required=True, help="what its SPIFFE id is made of")
    who.add_argument("--workload", required=True, help="e.g. reviews-v1")
    who.add_argument("--labels", type=parse_labels, default={}, metavar="K=V,K=V")
    who.add_argument("--service", default="", help="the service it belongs to; left out: a client only")
    who.add_argument("--port", type=parse_port, action="append", default=[], metavar="NAME:PORT[:TARGET]")
    where = made.add_argument_group("where it listens and forwards")
    where.add_argument("--address", required=True, metavar="IP", help="where other sidecars reach it")
    where.add_argument("--app-address", default="127.0.0.1", metavar="IP")
    where.add_argument("--admin-address", default="127.0.0.1", metavar="IP")
    where.add_argument("--interception", choices=("NONE", "REDIRECT"), default="REDIRECT")
    where.add_argument(
        "--outbound",
        type=parse_outbound,
        action="append",
        default=[],
        metavar="HOST=IP",
        help="without interception: where the app finds the ports of that service that are not HTTP",
    )
    how = made.add_argument_group("how it runs")
    how.add_argument("--dataplane", choices=("python", "envoy"), default="python")
    how.add_argument("--control-plane", required=True, metavar="HOST:PORT", help="its TLS port, 15012")
    how.add_argument("--root-cert", required=True, type=Path, metavar="FILE")
    how.add_argument("--token-file", required=True, type=Path, metavar="FILE")
    how.add_argument("--run-dir", type=Path, default=Path("/tmp"), metavar="DIR")
    how.add_argument("--access-log", default="/dev/stdout", metavar="FILE")
    how.add_argument("--drain-duration", type=float, default=5.0, metavar="SECONDS")
    how.add_argument("--concurrency", type=parse_concurrency, default=1, metavar="N", help="workers")
    how.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    limits = made.add_argument_group("when it sheds load (0: no limit)")
    limits.add_argument("--max-heap-mb", type=int, default=0, metavar="N")
    limits.add_argument("--max-downstream-connections", type=int, default=0, metavar="N")
    limits.add_argument(
        "--max-loop-lag", type=float, default=5.0, metavar="SECONDS", help="of our event loop"
    )
    return made


def node_of(flags: argparse.Namespace) -> Node:
    return Node(
        name=flags.name,
        namespace=flags.namespace,
        address=flags.address,
        service_account=flags.service_account,
        workload=flags.workload,
        service=flags.service,
        ports=tuple(flags.port),
        labels=flags.labels,
        app_address=flags.app_address,
        interception="NONE" if flags.type == "router" else flags.interception,
        engine=flags.dataplane,
        admin_address=flags.admin_address,
        outbound_addresses=dict(flags.outbound),
        type=flags.type,
    )


def bootstrap_of(flags: argparse.Namespace) -> Bootstrap:
    return Bootstrap(
        control_plane=flags.control_plane,
        root_cert=flags.root_cert,
        token_file=flags.token_file,
        run_dir=flags.run_dir,
        access_log=flags.access_log,
        drain_duration_s=flags.drain_duration,
        concurrency=flags.concurrency,
        overload=OverloadLimits(
            flags.max_heap_mb * 1024 * 1024, flags.max_downstream_connections, flags.max_loop_lag
        ),
    )


async def _run(node: Node, bootstrap: Bootstrap) -> None:
    if node.engine == "envoy":
        # uvloop forks to start Envoy, and gRPC's fork handlers then break the agent's live streams; without
        # them nothing of gRPC runs between fork and exec
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
        from mesh.proxy.agent.envoy import run as run_envoy

        await run_envoy(node, bootstrap)
    else:
        from mesh.proxy.server import run as run_python

        await run_python(node, bootstrap)


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 after an orderly end, 1 when it could not start or broke, 2 for wrong flags."""
    flags = parser().parse_args(arguments)
    logging.basicConfig(
        level=flags.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(node_of(flags), bootstrap_of(flags)))
    except KeyboardInterrupt:
        return 0
    except (OSError, RuntimeError, ValueError) as error:
        logging.getLogger("mesh.proxy").debug("the sidecar ended", exc_info=True)
        print(f"meshctl proxy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
