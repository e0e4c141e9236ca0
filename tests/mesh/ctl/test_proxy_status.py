from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from mesh.ctl.errors import CommandError
from mesh.ctl.proxy_status import errors, overview, select

if TYPE_CHECKING:
    from tests.mesh.ctl.conftest import Meshctl


def proxy(name: str, **statuses: str) -> dict[str, Any]:
    types = {
        kind: {"status": status, "version": "v", "sent_nonce": "2", "acked_nonce": "1", "error": ""}
        for kind, status in statuses.items()
    }
    return {"proxy": name, "cluster": "Kubernetes", "engine": "envoy", "version": "1.40.0", "types": types}


def test_the_table_has_istioctls_columns() -> None:
    lines = overview([proxy("a.default", CDS="SYNCED", LDS="NOT SENT")], "cp:15014").splitlines()
    assert lines[0].split() == "NAME CLUSTER CDS ECDS EDS LDS RDS ISTIOD VERSION".split()
    cells = [cell.strip() for cell in lines[1].split("   ") if cell.strip()]
    assert cells == [
        *("a.default", "Kubernetes", "SYNCED", "IGNORED", "IGNORED", "NOT SENT", "IGNORED"),
        *("cp:15014", "1.40.0 (envoy)"),
    ]


def test_a_refusal_is_shown_in_the_proxys_words() -> None:
    refused = proxy("a.default", CDS="SYNCED", LDS="ERROR")
    refused["types"]["LDS"]["error"] = "no such filter"
    assert errors([refused]) == ["a.default rejected LDS: no such filter"]


def test_a_pod_is_found_by_its_short_name_when_that_is_enough() -> None:
    proxies = [proxy("a.default"), proxy("b.default"), proxy("b.prod")]
    assert select(proxies, "a")["proxy"] == select(proxies, "a.default")["proxy"] == "a.default"
    with pytest.raises(CommandError, match=r"several namespaces: b\.default, b\.prod"):
        select(proxies, "b")
    with pytest.raises(CommandError, match=r"no sidecar c is connected; there are: a\.default, b\.default"):
        select(proxies, "c")


def test_a_running_sidecar_is_synced(in_mesh: Meshctl) -> None:
    rows = in_mesh("ps").rows
    assert rows[1][0] == "reviews-v1-0.default"
    assert rows[1][2:7] == ["SYNCED", "IGNORED", "SYNCED", "SYNCED", "SYNCED"]
    details = in_mesh("proxy-status", "reviews-v1-0").rows
    assert details[0] == ["TYPE", "STATUS", "VERSION", "SENT", "ACKED"]
    statuses = {row[0]: row[1] for row in details[1:]}
    assert statuses == dict.fromkeys(("CDS", "EDS", "LDS", "RDS"), "SYNCED") | {"SDS": "IGNORED"}
    (told,) = json.loads(in_mesh("ps", "-o", "json").out)
    assert told["engine"] == "python"
