"""The sidecar's command line: from flags to a node and its bootstrap; kept light."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.model.node import Node, ServicePort
from mesh.proxy.__main__ import bootstrap_of, main, node_of, parse_concurrency, parser

FLAGS = [
    *("--name", "reviews-v1-0", "--service-account", "bookinfo-reviews", "--workload", "reviews-v1"),
    *(
        "--labels",
        "app=reviews,version=v1",
        "--service",
        "reviews",
        "--port",
        "http:9080",
        "--port",
        "tcp-db:80:8080",
    ),
    *("--address", "127.64.3.2", "--app-address", "127.64.3.1", "--admin-address", "127.64.3.2"),
    *("--outbound", "db.default.svc.cluster.local=127.64.3.10"),
    *("--interception", "NONE", "--dataplane", "envoy", "--control-plane", "127.64.0.1:15012"),
    *("--root-cert", "/r.pem", "--token-file", "/t", "--run-dir", "/run/x", "--drain-duration", "1.5"),
]


def test_flags_become_the_node() -> None:
    assert node_of(parser().parse_args(FLAGS)) == Node(
        name="reviews-v1-0",
        namespace="default",
        address="127.64.3.2",
        service_account="bookinfo-reviews",
        workload="reviews-v1",
        service="reviews",
        ports=(ServicePort("http", 9080, 9080, "HTTP"), ServicePort("tcp-db", 80, 8080, "TCP")),
        labels={"app": "reviews", "version": "v1"},
        app_address="127.64.3.1",
        interception="NONE",
        engine="envoy",
        admin_address="127.64.3.2",
        outbound_addresses={"db.default.svc.cluster.local": "127.64.3.10"},
    )


def test_a_router_stands_beside_nobody() -> None:
    who = ("--name", "ingress-0", "--service-account", "ingress", "--workload", "ingress")
    where = ("--address", "10.9.0.1", "--control-plane", "istiod:15012")
    flags = ("--type", "router", *who, *where, "--root-cert", "/r.pem", "--token-file", "/t")
    node = node_of(parser().parse_args(flags))
    assert (node.type, node.interception) == ("router", "NONE")
    assert node.id == "router~10.9.0.1~ingress-0.default~default.svc.cluster.local"
    assert Node.from_metadata(node.to_metadata()) == node


def test_flags_become_the_bootstrap() -> None:
    bootstrap = bootstrap_of(parser().parse_args(FLAGS))
    assert (bootstrap.control_plane, bootstrap.run_dir) == ("127.64.0.1:15012", Path("/run/x"))
    assert (bootstrap.drain_duration_s, bootstrap.access_log) == (1.5, "/dev/stdout")


@pytest.mark.parametrize(("text", "workers"), [("1", 1), ("64", 64), ("0", len(os.sched_getaffinity(0)))])
def test_concurrency_counts_workers_and_0_is_a_worker_for_each_processor(text: str, workers: int) -> None:
    assert parse_concurrency(text) == workers


@pytest.mark.parametrize(
    "wrong",
    [
        ["--port", "http"],
        ["--port", "http:x"],
        ["--labels", "app"],
        ["--interception", "TPROXY"],
        ["--concurrency", "65"],
        ["--concurrency", "-1"],
        ["--outbound", "db"],
        ["--outbound", "db=there"],
    ],
)
def test_a_wrong_flag_ends_with_usage_and_status_2(
    wrong: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*FLAGS, *wrong])
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_the_sidecars_command_line_does_not_load_meshctls() -> None:
    code = (
        "import sys; sys.argv = ['meshctl', 'proxy', '--help']\n"
        "from mesh.ctl.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(bool({'typer', 'rich', 'pydantic', 'aiohttp', 'yaml'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert ended.returncode == 0
