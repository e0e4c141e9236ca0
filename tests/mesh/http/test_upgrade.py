import pytest

from mesh.http.message import Framing, Request, Response
from mesh.http.upgrade import agree, asked_upgrade, from_extended_connect


def request(**fields):
    named = {name.replace("_", "-").encode(): value for name, value in fields.items()}
    return Request(b"GET", b"/", b"a", named, [], Framing.NONE, True)


@pytest.mark.parametrize(
    ("connection", "upgrade", "asked"),
    [
        (b"Upgrade", b"websocket", b"websocket"),
        (b"keep-alive, UPGRADE", b"WebSocket", b"websocket"),
        (b"keep-alive", b"websocket", b""),
        (b"upgrader", b"websocket", b""),
        (b"upgrade", b"", b""),
    ],
)
def test_connection_and_upgrade_must_both_say_so(connection, upgrade, asked):
    assert asked_upgrade(request(connection=connection, upgrade=upgrade)) == asked


def test_an_extended_connect_becomes_an_upgrade_and_back():
    asked = request(host=b"a")
    from_extended_connect(asked, b"websocket")
    assert (asked.method, asked.framing, asked_upgrade(asked)) == (b"GET", Framing.TUNNEL, b"websocket")
    answer = Response(200, {}, [], Framing.TUNNEL, True)
    agree(answer, asked)
    assert (answer.status, asked_upgrade(answer)) == (101, b"websocket")


def test_the_answer_to_a_plain_connect_stays_what_it_is():
    answer = Response(204, {}, [], Framing.TUNNEL, True)
    agree(answer, request(host=b"a"))
    assert (answer.status, answer.fields) == (204, {})
