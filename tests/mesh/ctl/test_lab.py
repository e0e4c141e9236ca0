from __future__ import annotations

import pytest

from labs.catalog import LABS
from labs.harness.process_runtime import ProcessRuntime
from mesh.ctl.app import run
from mesh.ctl.lab import RuntimeName, choose_runtime


def test_the_list_names_every_lab_its_question_and_its_sabotages(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "list"]) == 0
    listed = capsys.readouterr().out
    for lab in LABS.values():
        assert f"{lab.name}: {lab.question}" in listed
        for sabotage in lab.sabotages:
            assert f"--sabotage {sabotage}" in listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "no lab is called 'nope'; there is bookinfo, canary"),
        (["canary", "--sabotage", "nope"], "canary knows no sabotage 'nope'"),
        (["canary", "--dataplane", "nope"], "'python', 'envoy'"),
    ],
)
def test_a_wrong_word_is_answered_with_the_right_ones(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["lab", "run", *words]) == 2
    assert said in capsys.readouterr().err


def test_every_option_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["lab", "run", "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("--runtime", "--dataplane", "--seed", "--sabotage", "--fail-fast", "--keep", "--runs"):
        assert option in shown


def test_the_process_runtime_needs_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert choose_runtime(RuntimeName.PROCESS) == (ProcessRuntime, "process runtime, as asked")
    made, why = choose_runtime(RuntimeName.AUTO)
    assert made is ProcessRuntime
    assert "no Docker engine answers" in why
