from mesh.http.serialize import chunk, last_chunk, request_head, response_head


def test_a_request_head_keeps_order_and_repeats():
    head = request_head(b"GET", b"/x", {b"host": b"a", b"b": b"1"}, [(b"b", b"2")])
    assert head == b"GET /x HTTP/1.1\r\nhost: a\r\nb: 1\r\nb: 2\r\n\r\n"


def test_a_response_head_has_the_standard_phrase():
    assert response_head(404, {b"a": b"1"}, []) == b"HTTP/1.1 404 Not Found\r\na: 1\r\n\r\n"
    assert response_head(299, {}, []) == b"HTTP/1.1 299 Unknown\r\n\r\n"


def test_no_data_makes_no_chunk():
    assert chunk(b"") == b""
    assert chunk(b"x" * 17) == b"11\r\n" + b"x" * 17 + b"\r\n"


def test_trailers_stand_after_the_last_chunk():
    assert last_chunk(()) == b"0\r\n\r\n"
    assert last_chunk([(b"a", b"1"), (b"a", b"2")]) == b"0\r\na: 1\r\na: 2\r\n\r\n"
