from __future__ import annotations

import pytest

from mesh.model import names
from mesh.model.names import SubsetKey


def test_cluster_names_are_istios() -> None:
    host = names.fqdn("reviews", "default")
    assert names.outbound_cluster(9080, "v1", host) == "outbound|9080|v1|reviews.default.svc.cluster.local"
    assert names.inbound_cluster(9080) == "inbound|9080||"
    assert names.sni(9080, "v1", host) == "outbound_.9080_.v1_.reviews.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("host", "full"),
    [("reviews", "reviews.prod.svc.cluster.local"), ("httpbin.org", "httpbin.org"), ("*", "*")],
)
def test_only_short_names_are_completed(host: str, full: str) -> None:
    assert names.fqdn(host, "prod") == full


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("outbound|9080|v1|x.default.svc", SubsetKey("outbound", 9080, "v1", "x.default.svc")),
        ("inbound|9080||", SubsetKey("inbound", 9080, "", "")),
        ("BlackHoleCluster", None),
        ("outbound|http|v1|x", None),
    ],
)
def test_parse_cluster_reads_what_the_makers_write(name: str, key: SubsetKey | None) -> None:
    assert names.parse_cluster(name) == key


@pytest.mark.parametrize(
    ("text", "answer"), [("127.0.0.1", True), ("::1", True), ("reviews", False), ("1.2.3", False)]
)
def test_is_ip(text: str, answer: bool) -> None:
    assert names.is_ip(text) is answer
