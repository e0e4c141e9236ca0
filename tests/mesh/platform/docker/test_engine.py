"""Marks and clean-up: a run's things are found by its label, a dead run's are swept."""

from __future__ import annotations

import os
import socket

import docker
import pytest

from mesh.platform.docker import engine


def test_a_running_owner_is_no_orphan() -> None:
    assert not engine.is_orphan(engine.labels("r"))


def test_a_pid_used_again_is_not_its_former_owner() -> None:
    reused = f"{socket.gethostname()}/{os.getpid()}/1"
    assert engine.is_orphan({engine.OWNER_LABEL: reused})


def test_another_hosts_run_is_left_alone() -> None:
    assert not engine.is_orphan({engine.OWNER_LABEL: "elsewhere/1/1"})
    assert not engine.is_orphan({})


def test_without_an_engine_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    with pytest.raises(engine.EngineError, match="no Docker engine answers"):
        engine.connect()


@pytest.mark.docker
def test_a_run_is_removed_whole_and_no_other_with_it(
    client: docker.DockerClient, image: str, run: str
) -> None:
    gone = f"{run}-gone"
    client.networks.create(gone, labels=engine.labels(gone))
    volume = client.volumes.create(gone, labels=engine.labels(gone))
    running = client.containers.run(
        image, ["sleep", "infinity"], init=True, detach=True, network=gone, labels=engine.labels(gone),
        volumes=[f"{volume.id}:/data"],
    )  # fmt: skip
    client.containers.create(image, ["true"], labels=engine.labels(gone))
    engine.remove_run(client, gone)
    mine = {"label": f"{engine.RUN_LABEL}={gone}"}
    assert client.containers.list(all=True, filters=mine) == []
    assert client.networks.list(filters=mine) == []
    assert client.volumes.list(filters=mine) == []
    assert client.networks.list(filters={"label": f"{engine.RUN_LABEL}={run}"})
    engine.remove_container(client, running.id or "")
    engine.remove_run(client, gone)


@pytest.mark.docker
def test_what_a_killed_run_left_is_swept(client: docker.DockerClient, run: str) -> None:
    left = f"{run}-left"
    dead = engine.labels(left) | {engine.OWNER_LABEL: f"{socket.gethostname()}/{os.getpid()}/1"}
    client.networks.create(left, labels=dead)
    assert left in engine.sweep(client)
    assert client.networks.list(filters={"label": f"{engine.RUN_LABEL}={left}"}) == []
    assert client.networks.list(filters={"label": f"{engine.RUN_LABEL}={run}"})
