from __future__ import annotations

import asyncio
from collections.abc import Mapping

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.pilot.status import Progress, Rejection, Waiting, progress
from mesh.xds.source import TypeStatus


class At:
    """A proxy that has got as far as a generation, and refuses what it is told to."""

    node: Node

    def __init__(self, acked: int | None, refused: str = "") -> None:
        self.acked_generation = acked
        self._refused = refused

    def push(self, resources: Resources, generation: int) -> None: ...

    def status(self) -> Mapping[str, TypeStatus]:
        synced = TypeStatus("SYNCED")
        return {"CDS": synced, "LDS": TypeStatus("ERROR", error=self._refused) if self._refused else synced}


def test_each_proxy_is_acked_or_pending_or_rejected() -> None:
    members = {"new": At(None), "gone": None, "old": At(6), "done": At(7), "ahead": At(8), "bad": At(6, "no")}
    assert progress(members, 7, {}) == Progress(
        acked=("ahead", "done"), pending=("gone", "new", "old"), rejected=(Rejection("bad", "LDS", "no"),)
    )


def test_a_later_refusal_does_not_undo_an_earlier_ack() -> None:
    assert progress({"a": At(7, "no")}, 7, {}).acked == ("a",)


def test_who_cannot_be_served_is_rejected_with_the_reason() -> None:
    proxy = At(6)
    assert progress({"a": proxy}, 7, {proxy: "why"}).rejected == (Rejection("a", "pilot", "why"),)


async def test_waiting_ends_when_the_last_one_is_settled() -> None:
    waiting, found = Waiting(), Progress(pending=("a",))
    task = asyncio.create_task(waiting.until_settled(lambda: found, 60))
    await asyncio.sleep(0)
    waiting.wake()
    await asyncio.sleep(0)
    assert not task.done()
    found = Progress(acked=("a",))
    waiting.wake()
    assert await task == Progress(acked=("a",))


async def test_waiting_names_the_laggards_when_its_time_is_over() -> None:
    found = Progress(acked=("b",), pending=("a",))
    assert await Waiting().until_settled(lambda: found, 0.01) == found
    assert await Waiting().until_settled(lambda: found, 0) == found


async def test_nobody_to_wait_for_is_settled_at_once() -> None:
    assert await Waiting().until_settled(Progress, 60) == Progress()
