from __future__ import annotations

import pytest

from mesh.proxy.agent.envoy_stats import active_connections, read_stats, why_not_ready

READY = {
    "cluster_manager.cds.update_success": 1,
    "listener_manager.lds.update_success": 1,
    "listener_manager.workers_started": 1,
    "server.state": 0,
}


def test_reads_numbers_and_leaves_out_the_rest() -> None:
    text = 'server.state: 0\ncluster.a.version_text: "1"\nlistener.[::1]_80.x: 3\nh: P0(nan,1)\n'
    assert read_stats(text) == {"server.state": 0, "listener.[::1]_80.x": 3}


def test_ready_when_configured_and_live() -> None:
    assert why_not_ready(READY) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"cluster_manager.cds.update_success": 0}, "no clusters from the control plane yet"),
        ({"listener_manager.lds.update_success": 0}, "no listeners from the control plane yet"),
        ({"server.state": 2}, "server.state 2"),
        ({"server.state": 1}, "server.state 1"),
        ({"listener_manager.workers_started": 0}, "workers have not started"),
    ],
)
def test_says_why_it_is_not_ready(change: dict[str, int], reason: str) -> None:
    assert reason in why_not_ready({**READY, **change})


def test_nothing_known_is_not_ready() -> None:
    assert why_not_ready({})


def test_counts_the_connections_of_applications_only() -> None:
    stats = {
        "listener.127.0.0.1_9080.downstream_cx_active": 2,
        "listener.127.0.0.1_9080.worker_0.downstream_cx_active": 2,
        "listener.0.0.0.0_15006.downstream_cx_active": 1,
        "listener.admin.downstream_cx_active": 4,
        "listener.admin.main_thread.downstream_cx_active": 4,
        "listener.127.0.0.1_15090.downstream_cx_active": 8,
    }
    assert active_connections(stats, (15000, 15090)) == 3
