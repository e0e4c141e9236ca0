from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import pytest

from labs.harness.eventually import NotInTime, eventually, settled


def answers(values: Iterable[int | None]) -> Callable[[], Awaitable[int | None]]:
    """One value a call, the last one for ever."""
    left = list(values)

    async def probe() -> int | None:
        return left.pop(0) if len(left) > 1 else left[0]

    return probe


async def test_the_first_answer_ends_the_wait() -> None:
    assert await eventually("x", answers([None, None, 7, 8]), 5.0, every_s=0.0) == 7


async def test_zero_is_an_answer() -> None:
    assert await eventually("x", answers([None, 0]), 5.0, every_s=0.0) == 0


async def test_the_deadline_names_what_did_not_happen() -> None:
    with pytest.raises(NotInTime, match=r"the sun: not within 0\.01 s"):
        await eventually("the sun", answers([None]), 0.01, every_s=0.001)


async def test_a_moving_counter_is_waited_for() -> None:
    assert await settled("x", answers([1, 2, 3]), 0.02, 5.0, every_s=0.001) == 3


async def test_a_counter_that_never_rests_is_named() -> None:
    with pytest.raises(NotInTime, match="the clock: still changing"):
        await settled("the clock", answers(range(100_000)), 1.0, 0.02, every_s=0.001)
