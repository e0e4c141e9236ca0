from mesh.http.message import Framing, Request
from mesh.proxy.request_body import MAX_HELD_BYTES, MAX_REPLAY_BYTES, RequestBody


def request(framing):
    return Request(b"PUT", b"/", b"a", {}, [], framing, True)


def test_what_arrives_is_taken_counted_and_kept():
    arriving = request(Framing.CHUNKED)
    body = RequestBody(arriving, keep=True)
    arriving.chunks.append(b"abc")
    assert body.take() == b"abc"
    assert body.take() == b""
    assert body.sent_before() == b"abc"
    assert body.received == 3


def test_only_a_small_body_can_be_sent_again():
    arriving = request(Framing.LENGTH)
    body = RequestBody(arriving, keep=True)
    arriving.chunks.append(b"x" * MAX_REPLAY_BYTES)
    body.take()
    assert body.can_repeat
    arriving.chunks.append(b"x")
    body.take()
    assert not body.can_repeat
    assert not RequestBody(arriving, keep=False).can_repeat


def test_says_when_enough_is_held():
    arriving = request(Framing.LENGTH)
    arriving.chunks.append(b"x" * MAX_HELD_BYTES)
    body = RequestBody(arriving, keep=False)
    assert not body.is_full()
    arriving.chunks.append(b"x")
    assert body.is_full()
