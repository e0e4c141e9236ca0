import pytest

from mesh.http.errors import RequestError
from mesh.http.fields import are_too_many, check_connection, is_trailer, remove_hop_by_hop
from mesh.http.message import Framing, Response


def response(fields, repeats=()):
    return Response(200, dict(fields), list(repeats), Framing.NONE, True)


def test_takes_out_what_belongs_to_the_connection():
    message = response(
        {b"connection": b"keep-alive, X-Private", b"keep-alive": b"1", b"x-private": b"y", b"a": b"b"}
    )
    remove_hop_by_hop(message)
    assert message.fields == {b"a": b"b"}


def test_connection_cannot_name_end_to_end_fields():
    message = response(
        {b"connection": b"host, X-Forwarded-Client-Cert", b"host": b"a", b"x-forwarded-client-cert": b"c"}
    )
    remove_hop_by_hop(message)
    assert message.fields == {b"host": b"a", b"x-forwarded-client-cert": b"c"}


def test_te_trailers_is_kept_whatever_connection_says():
    message = response({b"connection": b"te", b"te": b"Trailers"})
    remove_hop_by_hop(message)
    assert message.fields == {b"te": b"trailers"}


@pytest.mark.parametrize("named", [b"close, Host", b"x-forwarded-for", b"x-a,X-Forwarded-Proto "])
def test_connection_cannot_name_what_the_next_hop_decides_by(named):
    with pytest.raises(RequestError):
        check_connection(response({b"connection": named}))


def test_sees_every_connection_field():
    message = response({b"connection": b"close", b"x": b"1"}, [(b"connection", b"x"), (b"x", b"2")])
    remove_hop_by_hop(message)
    assert message.fields == {}
    assert message.repeats == []


def test_an_upgrade_that_is_taken_stays():
    message = response({b"connection": b"keep-alive, Upgrade", b"upgrade": b"WebSocket", b"keep-alive": b"1"})
    message.framing = Framing.TUNNEL
    remove_hop_by_hop(message)
    assert message.fields == {b"connection": b"Upgrade", b"upgrade": b"WebSocket"}


@pytest.mark.parametrize("name", [b"content-length", b"transfer-encoding", b"host", b"te", b"trailer"])
def test_a_trailer_does_not_say_how_to_read_or_route(name):
    assert not is_trailer(name)
    assert is_trailer(b"x-checksum")


def test_trailers_have_the_limits_of_a_head():
    assert not are_too_many([(b"a", b"b")] * 100, 200)
    assert are_too_many([(b"a", b"b")] * 101, 1000)
    assert are_too_many([(b"a", b"b")] * 100, 199)
