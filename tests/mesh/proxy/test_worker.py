import asyncio
import uuid
from random import Random

from mesh.model.node import Node
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.proxy.worker import Worker

NODE = Node("a-0", "default", "127.0.0.1", "a", "a-v1")


def worker(seed=1, **options):
    return Worker(NODE, asyncio.get_running_loop(), rng=Random(seed), **options)


async def test_request_ids_are_uuids_that_a_seed_repeats():
    one, other = worker(), worker()
    text = one.request_id().decode()
    assert uuid.UUID(text).version == 4
    assert str(uuid.UUID(text)) == text
    assert other.request_id().decode() == text
    assert one.request_id().decode() != text


async def test_a_share_of_something_is_never_nothing():
    one = worker(workers=4)
    assert [one.share(limit) for limit in (0, 1, 3, 4, 9)] == [0, 1, 1, 1, 2]


async def test_peers_are_decoded_once_and_bad_ones_are_unknown():
    seen = []

    def decode(header):
        seen.append(header)
        if header == b"bad":
            raise ValueError
        return Peer("w")

    asked = worker(decode_peer=decode)
    assert asked.peer(b"good") is asked.peer(b"good")
    assert asked.peer(b"bad") is UNKNOWN_PEER
    assert seen == [b"good", b"bad"]


async def test_the_date_is_that_of_http():
    assert worker().date(784111777.9) == b"Sun, 06 Nov 1994 08:49:37 GMT"
