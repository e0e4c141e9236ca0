from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.cluster import Cluster
from mesh.model.request_report import split
from mesh.model.resources import Resources
from mesh.proxy.admin import CHANGE, READ, answer
from mesh.proxy.admin_http import Request, Response
from mesh.proxy.admin_view import ConfigView

if TYPE_CHECKING:
    from tests.mesh.conftest import SidecarView


def get(view: SidecarView, path: str, **query: str) -> Response:
    return answer(view, Request("GET", path, query))


def post(view: SidecarView, path: str, **query: str) -> Response:
    return answer(view, Request("POST", path, query))


@pytest.mark.parametrize("path", sorted(READ))
def test_every_page_answers(view: SidecarView, path: str) -> None:
    assert get(view, path).status == 200


@pytest.mark.parametrize("path", sorted(CHANGE))
def test_a_change_asked_for_with_get_has_no_effect(view: SidecarView, path: str) -> None:
    view.stats.counter("c").value = 1
    response = get(view, path, level="debug")
    assert (response.status, view.asked, view.healthy) == (400, [], True)
    assert view.stats.counter("c").value == 1


def test_a_page_is_not_posted_to(view: SidecarView) -> None:
    assert post(view, "/stats").status == 400


def test_an_unknown_path_is_answered_with_those_there_are(view: SidecarView) -> None:
    response = get(view, "/nothing")
    assert response.status == 404
    assert all(path in str(response.body) for path in (*READ, *CHANGE))


@pytest.mark.parametrize(("state", "status"), [("LIVE", 200), ("DRAINING", 503), ("PRE_INITIALIZING", 503)])
def test_ready_is_the_state(view: SidecarView, state: str, status: int) -> None:
    view.state = state  # type: ignore[assignment]
    response = get(view, "/ready")
    assert (response.status, response.body) == (status, f"{state}\n")


def test_drain_and_quit_are_asked_of_the_proxy(view: SidecarView) -> None:
    for response in (
        post(view, "/drain_listeners"),
        post(view, "/drain_listeners", graceful=""),
        post(view, "/quitquitquit"),
    ):
        assert (response.status, response.body) == (200, "OK\n")
    assert view.asked == ["drain graceful=False", "drain graceful=True", "quit"]


def test_health_can_be_failed_and_mended(view: SidecarView) -> None:
    post(view, "/healthcheck/fail")
    assert not view.healthy
    post(view, "/healthcheck/ok")
    assert view.healthy


def test_counters_are_reset_in_the_whole_proxy(view: SidecarView) -> None:
    assert post(view, "/reset_counters").status == 200
    assert view.asked == ["reset"]


def test_stats_are_filtered_by_regex_and_use(view: SidecarView) -> None:
    view.stats.counter("cluster.a.upstream_rq_total").value = 5
    view.stats.counter("cluster.a.upstream_rq_timeout")
    body = get(view, "/stats", filter="upstream_rq", usedonly="").body
    assert body == "cluster.a.upstream_rq_total: 5\n"
    assert "server.live: 1\n" in str(get(view, "/stats").body)


def test_stats_in_json(view: SidecarView) -> None:
    view.stats.counter("a").value = 5
    body = get(view, "/stats", filter="^a$", format="json").body
    assert json.loads(body) == {"stats": [{"name": "a", "value": 5}]}


@pytest.mark.parametrize("query", [{"filter": "("}, {"format": "xml"}])
def test_a_bad_question_to_stats_is_a_400(view: SidecarView, query: dict[str, str]) -> None:
    assert get(view, "/stats", **query).status == 400


def test_the_prometheus_page_has_envoys_and_istios_metrics(view: SidecarView, entry: AccessLogEntry) -> None:
    view.istio_stats.record(split(entry))
    for response in (get(view, "/stats/prometheus"), get(view, "/stats", format="prometheus")):
        families = {family.name for family in text_string_to_metric_families(str(response.body))}
        assert {"envoy_server_uptime", "istio_requests", "istio_request_bytes", "istio_build"} <= families
        assert response.content_type.startswith("text/plain; version=0.0.4")


def test_config_dump_is_whole_or_one_list(view: SidecarView) -> None:
    view.config_view = ConfigView(Resources(clusters=(Cluster("c", "EDS"),)), {"CDS": "1"}, {"CDS": 1.0})
    parts = [
        part["@type"].rpartition(".")[2] for part in json.loads(get(view, "/config_dump").body)["configs"]
    ]
    assert parts == [
        "BootstrapConfigDump",
        "ClustersConfigDump",
        "ListenersConfigDump",
        "RoutesConfigDump",
        "SecretsConfigDump",
    ]
    with_endpoints = json.loads(get(view, "/config_dump", include_eds="").body)["configs"]
    assert with_endpoints[2]["@type"].endswith("EndpointsConfigDump")
    (only,) = json.loads(get(view, "/config_dump", resource="dynamic_active_clusters").body)["configs"]
    assert only["cluster"]["name"] == "c"
    assert get(view, "/config_dump", resource="nothing").status == 404


def test_logging_sets_all_or_one_and_refuses_words_it_does_not_know(view: SidecarView) -> None:
    mesh, one = logging.getLogger("mesh"), logging.getLogger("mesh.proxy.test_admin")
    before = mesh.level
    try:
        assert post(view, "/logging", level="debug").status == 200
        assert mesh.level == logging.DEBUG
        body = post(view, "/logging", **{"proxy.test_admin": "error"}).body
        assert one.level == logging.ERROR
        assert "  mesh.proxy.test_admin: error\n" in str(body)
        assert post(view, "/logging", level="loud").status == 400
    finally:
        mesh.setLevel(before)
        one.setLevel(logging.NOTSET)
