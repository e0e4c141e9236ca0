import asyncio

from mesh.proxy.timers import Timers


async def test_fires_in_order_not_before_their_time():
    loop = asyncio.get_running_loop()
    timers, fired, done = Timers(loop), [], asyncio.Event()
    began = loop.time()

    def note(name):
        fired.append((name, loop.time() - began))
        if name == "late":
            done.set()

    timers.after(0.05, lambda: note("late"))
    timers.after(0.02, lambda: note("early"))
    cancelled = timers.after(0.02, lambda: note("never"))
    cancelled.callback = None
    async with asyncio.timeout(5):
        await done.wait()
    assert [name for name, _ in fired] == ["early", "late"]
    assert fired[0][1] >= 0.02
    assert fired[1][1] >= 0.05


async def test_a_callback_may_cancel_and_set_others():
    timers, fired, done = Timers(asyncio.get_running_loop()), [], asyncio.Event()

    def first():
        second.callback = None
        timers.after(0, done.set)

    timers.after(0.01, first)
    second = timers.after(0.01, lambda: fired.append("second"))
    async with asyncio.timeout(5):
        await done.wait()
    assert fired == []
