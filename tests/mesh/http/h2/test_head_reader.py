"""A known head is read as if it were new: the same message, whatever the table has come to be."""

from copy import deepcopy

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hypothesis import given
from hypothesis import strategies as st
from jh2.hpack import Encoder

from mesh.http.errors import RequestError
from mesh.http.h2.block import encode_integer
from mesh.http.h2.errors import StreamFault
from mesh.http.h2.head_reader import MAX_KNOWN, MAX_KNOWN_BYTES, PATIENCE, HeadReader
from mesh.http.h2.hpack import Decoder, encode_field
from mesh.http.h2.messages import read_request, read_response
from mesh.http.h2.settings import Limits

HEAD = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"))
HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
OK = ((b":status", b"200"), (b"content-type", b"text/plain"))
TRACES = [b"00-%032x-%016x-01" % (number, number) for number in range(3)]
IDS = [b"%08x-0000-4000-a000-000000000000" % number for number in range(3)]


@pytest.fixture
def reader():
    return HeadReader(Limits())


def block(*fields):
    """As our encoder writes it: nothing of it is indexed."""
    return b"".join(map(encode_field, fields))


def facts(message):
    names = ("method", "path", "authority", "scheme", "status", "fields", "repeats", "framing")
    names += ("keep_alive", "header_bytes", "complete", "chunks", "trailers")
    return {name: getattr(message, name) for name in names if hasattr(message, name)}


def decoded_lists(reader, monkeypatch):
    """How many blocks were decoded, from now on."""
    seen = []
    real = reader._decode
    monkeypatch.setattr(reader, "_decode", lambda data: seen.append(data) or real(data))
    return seen


def test_a_head_that_comes_again_is_not_decoded_and_is_a_message_of_its_own(reader, monkeypatch):
    decoded = decoded_lists(reader, monkeypatch)
    head = block(*HEAD, (b"accept", b"*/*"), (b"via", b"1"), (b"via", b"2"))
    first = reader.request(head, True)
    as_read = deepcopy(facts(first))
    first.fields[b"x-more"] = b"1"
    first.repeats.clear()
    first.chunks.append(b"body")
    assert facts(reader.request(head, True)) == as_read
    assert len(decoded) == 1


def test_only_the_path_and_the_ids_are_others(reader, monkeypatch):
    decoded = decoded_lists(reader, monkeypatch)
    paths = [b"/a", b"/products/1", b"/products/22?x=1"]
    sent = [
        (
            (*HEAD[:2], (b":path", path), HEAD[3]),
            (b"x-request-id", one),
            (b"accept", b"*/*"),
            (b"traceparent", trace),
        )
        for path, one, trace in zip(paths, IDS, TRACES, strict=True)
    ]
    for pseudo, *fields in sent:
        head = block(*pseudo, *fields)
        expected = read_request(Decoder(65536).decode(head), True, Limits())
        assert facts(reader.request(head, True)) == facts(expected)
    assert len(decoded) == 1


def huffman_path(path):
    code = HUFFMAN.encode(path)
    return b"\x04" + bytes((len(code) | 0x80,)) + code


def test_a_path_in_huffman_code_is_read(reader, monkeypatch):
    """As nghttp2 (curl, Node) writes it, with the other pseudo-fields in the table by then."""
    reader.request(b"\x82\x86\x41\x01a" + huffman_path(b"/reviews"), True)
    reader.request(b"\x82\x86\xbe" + huffman_path(b"/reviews"), True)
    decoded = decoded_lists(reader, monkeypatch)
    for path in (b"/reviews/1", b"/ratings?x=%20"):
        assert reader.request(b"\x82\x86\xbe" + huffman_path(path), True).path == path
    assert decoded == [huffman_path(b"/reviews/1"), huffman_path(b"/ratings?x=%20")]
    with pytest.raises(RequestError, match="invalid_path"):
        reader.request(b"\x82\x86\xbe" + huffman_path(b"/a b"), True)


@pytest.mark.parametrize("path", [b"/a#b", b"/a b", b"*", b"a", b"/\xff", b"/" + b"x" * 200])
def test_a_path_that_is_odd_is_looked_at_as_if_no_other_had_come(reader, path):
    reader.request(block(*HEAD), True)
    head = b"\x82\x86\x04" + encode_integer(len(path), 127, 0) + path + block(HEAD[3])
    try:
        expected = read_request(Decoder(65536).decode(head), True, Limits())
    except (RequestError, StreamFault) as error:
        with pytest.raises(type(error), match=str(error)):
            reader.request(head, True)
    else:
        assert facts(reader.request(head, True)) == facts(expected)


def test_a_longer_path_does_not_pass_the_limit_of_a_head():
    reader = HeadReader(Limits(max_header_bytes=120))
    reader.request(block(*HEAD), True)
    with pytest.raises(RequestError, match="request_headers_too_large"):
        reader.request(block(*HEAD[:2], (b":path", b"/" + b"x" * 100), HEAD[3]), True)


@pytest.mark.parametrize("value", [b"\x00" + IDS[0][1:], b" " + IDS[0][1:], b"A" + IDS[0][1:]])
def test_a_request_id_that_is_none_is_looked_at_like_any_field(reader, value):
    reader.request(block(*HEAD, (b"x-request-id", IDS[0])), True)
    odd = b"\x00\x0cx-request-id" + bytes((len(value),)) + value
    try:
        request = reader.request(block(*HEAD) + odd, True)
    except StreamFault:
        assert value.startswith(b"\x00")
    else:
        assert request.fields[b"x-request-id"] == value


def test_two_request_ids_stay_two(reader):
    for one, other in ((IDS[0], IDS[1]), (IDS[2], IDS[0])):
        request = reader.request(block(*HEAD, (b"x-request-id", one), (b"x-request-id", other)), True)
        assert (request.fields[b"x-request-id"], request.repeats) == (one, [(b"x-request-id", other)])


def test_the_end_of_the_stream_in_the_head_is_part_of_what_it_means(reader):
    head = block(*HEAD)
    for end in (True, False, True):
        request = reader.request(head, end)
        assert (request.complete, b"transfer-encoding" in request.fields) == (end, not end)


def test_an_answer_means_something_else_to_head(reader):
    head = block(*OK, (b"content-length", b"5"))
    for method in (b"GET", b"HEAD", b"GET", b"CONNECT", b"GET"):
        expected = read_response(Decoder(65536).decode(head), False, method)
        assert facts(reader.response(head, False, method)) == facts(expected)


def test_trailers_are_known_as_trailers_only(reader, monkeypatch):
    decoded = decoded_lists(reader, monkeypatch)
    trailers = block((b"grpc-status", b"0"))
    assert [list(reader.trailers(trailers)) for _ in range(3)] == [[(b"grpc-status", b"0")]] * 3
    assert len(decoded) == 1
    with pytest.raises(StreamFault, match="missing_pseudo_header"):
        reader.request(trailers, True)


def test_what_is_refused_is_refused_again(reader):
    for _ in range(3):
        with pytest.raises(RequestError, match="invalid_path"):
            reader.request(block(*HEAD[:2], (b":path", b"/a b"), HEAD[3]), True)


def test_a_skipped_block_counts_for_the_table(reader):
    latest = block(*HEAD) + b"\xbe"  # with the field that was put into the table last
    for name in (b"x-a", b"x-b"):
        reader.skip(b"\x40\x03" + name + b"\x011")
        assert reader.request(latest, True).fields == {b"host": b"a", name: b"1"}


_VALUES = st.sampled_from([b"1", b"22", b"a longer one"])
_FIELDS = st.lists(st.tuples(st.sampled_from([b"x-a", b"x-b", b"accept"]), _VALUES), max_size=4)
_PATHS = st.sampled_from([b"/", b"/a", b"/index.html"])
_IDS = st.sampled_from([None, *IDS])


@given(st.lists(st.tuples(_PATHS, _FIELDS, _IDS, st.booleans(), st.booleans()), max_size=40))
def test_whoever_encodes_whatever_comes_between_the_message_is_the_same(heads):
    """Some blocks are a stateful encoder's, some our own, on one connection."""
    reader, plain, encoder = HeadReader(Limits()), Decoder(65536), Encoder()
    for path, fields, request_id, stateful, end in heads:
        sent = [*HEAD[:2], (b":path", path), HEAD[3], *fields]
        sent += [(b"x-request-id", request_id)] if request_id else []
        data = encoder.encode([(*field, False) for field in sent]) if stateful else block(*sent)
        expected = read_request(plain.decode(data), end, Limits())
        assert facts(reader.request(data, end)) == facts(expected)


def test_who_never_repeats_himself_is_given_up(reader):
    for number in range(PATIENCE + 1):
        reader.request(block(*HEAD, (b"x-number", b"%d" % number)), True)
    assert not reader._known


def test_a_connection_remembers_few_heads_and_no_large_ones(reader):
    again = block(*HEAD)
    for number in range(2 * MAX_KNOWN):
        reader.request(block(*HEAD, (b"x-number", b"%d" % number)), True)
        reader.request(again, True)
    assert len(reader._known) == MAX_KNOWN
    large = block(*HEAD, (b"x-large", b"v" * MAX_KNOWN_BYTES))
    reader.request(large, True)
    assert large not in reader._known
