import pytest

from mesh.model.route import StringMatch
from mesh.proxy.matching import MAX_REMEMBERED_TEXT, compile_match
from mesh.xds.errors import Rejected


@pytest.mark.parametrize(
    ("kind", "value", "yes", "no"),
    [
        ("exact", "ab", b"ab", b"abc"),
        ("prefix", "ab", b"abc", b"xab"),
        ("suffix", "bc", b"abc", b"bcd"),
        ("contains", "b", b"abc", b"ac"),
        ("regex", "a.c", b"abc", b"xabc"),
        ("regex", "", b"", b"a"),
    ],
)
def test_each_kind(kind, value, yes, no):
    test = compile_match(StringMatch(kind, value))
    assert test(yes)
    assert not test(no)
    assert test(yes)  # a remembered answer is the same


def test_case_is_ignored_when_asked():
    assert compile_match(StringMatch("exact", "Ab", ignore_case=True))(b"aB")
    assert not compile_match(StringMatch("exact", "Ab"))(b"aB")


def test_bytes_that_are_no_text_match_too():
    assert compile_match(StringMatch("regex", ".*x.*"))(b"\xff\xfex\x80")


def test_long_texts_are_matched_and_not_kept():
    test = compile_match(StringMatch("regex", "a*"))
    assert test(b"a" * MAX_REMEMBERED_TEXT * 10)
    assert not test(b"a" * MAX_REMEMBERED_TEXT * 10 + b"b")


def test_what_is_no_re2_is_refused():
    for pattern in ("(", "(?=a)", r"(a)\1"):
        with pytest.raises(Rejected, match="regex"):
            compile_match(StringMatch("regex", pattern))
