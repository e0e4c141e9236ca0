import pytest

from mesh.http.message import Framing, Response
from mesh.model.route import NO_MUTATION, HeaderMutation
from mesh.proxy.mutation import Mutation, compile_mutations
from mesh.xds.errors import Rejected


def message(fields, repeats=()):
    return Response(200, dict(fields), list(repeats), Framing.NONE, True)


def test_remove_then_set_then_add():
    found = message({b"a": b"1", b"b": b"2"}, [(b"a", b"3")])
    Mutation(HeaderMutation(set=(("a", "9"),), add=(("b", "8"), ("c", "7")), remove=("a",))).apply(found)
    assert found.fields == {b"b": b"2", b"a": b"9", b"c": b"7"}
    assert found.repeats == [(b"b", b"8")]


def test_the_host_is_apart():
    assert Mutation(HeaderMutation(set=(("host", "x"),))).host == b"x"
    assert Mutation(HeaderMutation(set=((":authority", "y"),))).host == b"y"


def test_percent_signs():
    assert Mutation(HeaderMutation(set=(("a", "100%%"),))).set == ((b"a", b"100%"),)
    with pytest.raises(Rejected, match="substitutions are not supported"):
        Mutation(HeaderMutation(set=(("a", "%REQ(x)%"),)))


@pytest.mark.parametrize("name", ["content-length", "transfer-encoding", "connection", ":path", "host"])
def test_framing_and_connection_are_not_to_be_touched(name):
    with pytest.raises(Rejected, match="cannot be changed"):
        Mutation(HeaderMutation(add=((name, "1"),)))


def test_a_value_cannot_smuggle_a_line():
    with pytest.raises(Rejected, match="control characters"):
        Mutation(HeaderMutation(set=(("a", "1\r\nb: 2"),)))


def test_empty_ones_cost_nothing():
    assert compile_mutations(NO_MUTATION, HeaderMutation()) == ()
