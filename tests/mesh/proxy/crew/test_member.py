"""Another worker as a process: real ones, started, asked, stopped and killed."""

import os
import signal
import time
from pathlib import Path

import pytest

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.crew import member as module
from mesh.proxy.crew.member import Lost, Member
from mesh.proxy.crew.messages import Leave, Start

NODE = Node("productpage-v1-0", "default", "127.0.0.1", "bookinfo-productpage", "productpage-v1")
DEADLINE_S = 20.0


def hear_until(member, condition):
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert member.wait(deadline)


@pytest.fixture
def member():
    bootstrap = Bootstrap("127.0.0.1:1", Path("r"), Path("t"), Path("/"), concurrency=2, drain_duration_s=0.1)
    made = Member(Start(NODE, bootstrap, {"": 30}), lambda _: None)
    hear_until(made, lambda: made.is_ready)
    yield made
    made.dismiss()


def test_it_says_whether_a_configuration_is_in_force(member, make):
    good, bad = Resources((make.cluster("c", 1),)), Resources((make.cluster("c", 1, lb_policy="NONE"),))
    assert member.end_apply(member.begin_apply(good)) == ""
    assert "lb_policy NONE" in member.end_apply(member.begin_apply(bad))


def test_it_counts_when_asked(member, make):
    member.end_apply(member.begin_apply(Resources((make.cluster("c", 1),))))
    member.begin_count()
    member.end_count(time.monotonic() + DEADLINE_S)
    assert [cluster.name for cluster in member.tally.clusters] == ["c"]


def test_one_that_hangs_is_not_waited_for_and_asked_again_only_after_its_answer(member):
    os.kill(member.pid, signal.SIGSTOP)
    member.begin_count()
    member.end_count(time.monotonic())
    assert member.tally is None
    member.begin_count()
    os.kill(member.pid, signal.SIGCONT)
    member.end_count(time.monotonic() + DEADLINE_S)
    assert member.tally is not None


def test_one_that_does_not_apply_in_time_is_lost(member, monkeypatch):
    monkeypatch.setattr(module, "APPLY_TIMEOUT_S", 0.05)
    os.kill(member.pid, signal.SIGSTOP)
    with pytest.raises(Lost, match="no answer to a configuration"):
        member.end_apply(member.begin_apply(Resources()))


def test_one_that_was_killed_is_lost(member):
    os.kill(member.pid, signal.SIGKILL)
    with pytest.raises(Lost, match="it ended"):
        hear_until(member, lambda: False)
    with pytest.raises(Lost):
        member.tell(Leave())


def test_sigterm_is_for_the_first_worker_alone(member):
    os.kill(member.pid, signal.SIGTERM)
    member.begin_count()
    member.end_count(time.monotonic() + DEADLINE_S)
    assert member.tally is not None


def test_its_last_numbers_come_before_it_leaves(member):
    member.tell(Leave())
    with pytest.raises(Lost):
        hear_until(member, lambda: False)
    assert member.tally is not None


def test_it_ends_when_nobody_governs_it(member):
    pid = member.pid
    member._pipe.close()
    member._process.wait(DEADLINE_S)
    assert not os.path.exists(f"/proc/{pid}")
    member._pipe = open(os.devnull)  # for dismiss
