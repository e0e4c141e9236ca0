"""What a limit costs; what it does is told with the exchange, the attempts and gRPC."""

from __future__ import annotations

import asyncio
import gc

from mesh.proxy.exchange import Exchange


async def test_a_request_with_a_limit_leaves_nothing_to_the_garbage_collector(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c", timeout_s=5.0), make.cluster("c", origin.port))
    assert (await client.get())[0] == 200
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            assert (await client.get())[0] == 200
        await asyncio.sleep(0)
        # the last may be referred to
        assert sum(isinstance(thing, Exchange) for thing in gc.get_objects()) <= 1
    finally:
        gc.enable()
