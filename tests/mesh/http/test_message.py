from mesh.http.message import Framing, Response


def test_take_body_gives_each_byte_once():
    message = Response(200, {}, [], Framing.CHUNKED, True)
    message.chunks += [b"ab", b"c"]
    assert message.take_body() == b"abc"
    assert message.take_body() == b""


def test_get_joins_repeats_and_trims():
    message = Response(200, {b"a": b"1 "}, [(b"a", b"2"), (b"b", b"3")], Framing.NONE, True)
    assert message.get(b"a") == b"1 , 2"
    assert message.get(b"c") is None
