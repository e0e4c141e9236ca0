import pytest

from mesh.http.errors import RequestError
from mesh.http.target import check_authority, split_target


def test_absolute_form_gives_authority_scheme_and_path():
    assert split_target(b"HTTP://h:1/x?y", b"GET") == (b"/x?y", b"h:1", b"http")
    assert split_target(b"http://h?y", b"GET") == (b"/?y", b"h", b"http")
    assert split_target(b"*", b"OPTIONS") == (b"*", None, None)


@pytest.mark.parametrize("authority", [b"a", b"a.b:80", b"[::1]:80", b"127.0.0.1", b"a_b-c"])
def test_accepts_hosts_and_ports(authority):
    check_authority(authority)


@pytest.mark.parametrize(
    "authority", [b"", b"a b", b"a:b", b"a:1:2", b"u@a", b"a/", b"a,b ", b"[::1", b"a:123456"]
)
def test_refuses_other_authorities(authority):
    with pytest.raises(RequestError):
        check_authority(authority)
