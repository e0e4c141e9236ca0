"""Commands in containers of their own: every line, the status, a certain end."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from labs.harness.docker_command import DockerCommand
from labs.harness.runtime import RuntimeFailure
from mesh.platform.docker import engine
from mesh.platform.docker.base_image import ImageError
from mesh.platform.docker.image import ensure_image

pytestmark = pytest.mark.docker


class Shell:
    """Makes commands of shell text, all of one run."""

    def __init__(self, client: docker.DockerClient, image: str, log: Path) -> None:
        self.client = client
        self.image = image
        self.log = log
        self.run = f"mesh-labs-test-{secrets.token_hex(4)}"

    async def start(self, *argv: str) -> DockerCommand:
        container = self.client.containers.create(
            self.image, list(argv), init=True, network_mode="none", labels=engine.labels(self.run)
        )
        command = DockerCommand(container, self.log)
        await command.start()
        return command


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    try:
        client = engine.connect()
        image = ensure_image(client, lambda line: print(line, file=sys.stderr))
    except (engine.EngineError, ImageError) as reason:
        pytest.skip(str(reason))
    made = Shell(client, image, tmp_path / "log")
    yield made
    engine.remove_run(client, made.run)
    client.close()


async def test_every_line_arrives_also_those_written_at_once(shell: Shell) -> None:
    command = await shell.start("sh", "-c", "seq 3; printf 'no newline'; echo odd >&2; exit 7")
    assert [line async for line in command.lines()] == ["1", "2", "3", "no newline"]
    assert await command.wait() == 7
    assert shell.log.read_text() == "odd\n"


async def test_many_lines_arrive_in_order(shell: Shell) -> None:
    command = await shell.start("seq", "20000")
    assert [line async for line in command.lines()] == [str(n) for n in range(1, 20001)]


async def test_a_line_is_there_before_the_command_ends(shell: Shell) -> None:
    command = await shell.start("sh", "-c", "echo first; sleep infinity")
    async for line in command.lines():
        assert line == "first"
        break
    await command.stop()


async def test_stop_is_sigterm_and_tells_the_status(shell: Shell) -> None:
    trap = "trap 'echo ended; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    command = await shell.start("sh", "-c", trap)
    lines = command.lines()
    assert await anext(lines) == "ready"
    assert await command.stop() == 3
    assert [line async for line in lines] == ["ended"]


async def test_stopping_what_has_ended_does_no_harm(shell: Shell) -> None:
    command = await shell.start("true")
    assert await command.wait() == 0
    assert await command.stop() == 0
    assert [line async for line in command.lines()] == []


async def test_a_program_that_is_not_there_says_so_in_the_log(shell: Shell) -> None:
    command = await shell.start("no-such-program")
    assert await command.wait() == 127
    assert "no-such-program" in shell.log.read_text()


async def test_what_was_removed_while_it_ran_is_a_failure_of_the_runtime(shell: Shell) -> None:
    command = await shell.start("sleep", "infinity")
    engine.remove_run(shell.client, shell.run)
    with pytest.raises(RuntimeFailure, match="removed while it ran"):
        await command.wait()
