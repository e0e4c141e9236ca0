from types import SimpleNamespace

import pytest

from mesh.http.message import Framing, Request, Response
from mesh.model.route import NO_MUTATION, HeaderMutation
from mesh.proxy.mutation import compile_mutation, compile_mutations
from mesh.xds.errors import Rejected

NOBODY = None  # no value here is made for a request


def message(fields, repeats=()):
    return Response(200, dict(fields), list(repeats), Framing.NONE, True)


def test_remove_then_set_then_add():
    found = message({b"a": b"1", b"b": b"2"}, [(b"a", b"3")])
    compile_mutation(HeaderMutation(set=(("a", "9"),), add=(("b", "8"), ("c", "7")), remove=("a",))).apply(
        found, NOBODY
    )
    assert found.fields == {b"b": b"2", b"a": b"9", b"c": b"7"}
    assert found.repeats == [(b"b", b"8")]


def test_the_host_is_apart():
    assert compile_mutation(HeaderMutation(set=(("host", "x"),))).host == b"x"
    assert compile_mutation(HeaderMutation(set=((":authority", "y"),))).host == b"y"


def test_percent_signs():
    assert compile_mutation(HeaderMutation(set=(("a", "100%%"),))).set == ((b"a", b"100%"),)
    with pytest.raises(Rejected, match="NOTHING"):
        compile_mutation(HeaderMutation(set=(("a", "%NOTHING%"),)))
    with pytest.raises(Rejected, match="host"):
        compile_mutation(HeaderMutation(set=(("host", "%REQ(a)%"),)))


def test_what_comes_out_empty_changes_nothing():
    found = message({b"a": b"1"})
    asked = Request(b"GET", b"/", b"a", {b"x-some": b"2"}, [], Framing.NONE, True)
    values = (("a", "%REQ(x-none)%"), ("b", "%REQ(x-some)%"), ("c", ""))
    compile_mutation(HeaderMutation(set=values)).apply(found, SimpleNamespace(request=asked))
    assert found.fields == {b"a": b"1", b"b": b"2", b"c": b""}


@pytest.mark.parametrize("name", ["content-length", "transfer-encoding", "connection", ":path", "host"])
def test_framing_and_connection_are_not_to_be_touched(name):
    with pytest.raises(Rejected, match="cannot be changed"):
        compile_mutation(HeaderMutation(add=((name, "1"),)))


def test_a_value_cannot_smuggle_a_line():
    with pytest.raises(Rejected, match="control characters"):
        compile_mutation(HeaderMutation(set=(("a", "1\r\nb: 2"),)))


def test_empty_ones_cost_nothing():
    assert compile_mutations(NO_MUTATION, HeaderMutation()) == ()
