"""VirtualServices, judged by where a request goes: the simulation runs the proxy's own matching."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from mesh.model.node import Node
from mesh.model.route import (
    DirectResponse,
    Fault,
    FaultAbort,
    Forward,
    HeaderMutation,
    Redirect,
    RegexRewrite,
)
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.retry import DEFAULT_RETRY
from mesh.pilot.world import World

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]
Simulate = Callable[..., Any]

SUBSETS = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
  - {name: v3, labels: {version: v3}}
"""


def rules(http: str, hosts: str = "[reviews]", name: str = "reviews", more: str = "") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}}}
spec:
  hosts: {hosts}
  {more}
  http: {http}
{SUBSETS}
"""


def to(subset: str, extra: str = "") -> str:
    return f"route: [{{destination: {{host: reviews, subset: {subset}}}}}]{extra}"


def workloads(outcome: Any) -> list[str]:
    return [endpoint.workload.split(";")[0] for endpoint in outcome.endpoints]


@pytest.fixture
def productpage(node: MakeNode) -> Node:
    return node("productpage-v1", 1)


def test_without_rules_all_versions_answer(world: MakeWorld, productpage: Node, simulate: Simulate) -> None:
    outcome = simulate(world(), productpage, "reviews:9080/")
    assert outcome.route == "default"
    assert workloads(outcome) == ["reviews-v1", "reviews-v2", "reviews-v3"]


@pytest.mark.parametrize(
    "authority",
    ["reviews:9080", "reviews.default:9080", "reviews.default.svc:9080",
     "reviews.default.svc.cluster.local:9080", "REVIEWS:9080"],
)  # fmt: skip
def test_a_service_is_known_by_each_of_its_names(
    world: MakeWorld, productpage: Node, simulate: Simulate, authority: str
) -> None:
    made = world(text=rules(f"[{{name: all, {to('v2')}}}]"))
    assert workloads(simulate(made, productpage, f"{authority}/x")) == ["reviews-v2"]


def test_another_namespace_needs_the_longer_name(
    world: MakeWorld, node: MakeNode, simulate: Simulate
) -> None:
    client = node("curl", 9, namespace="other", service="", ports=())
    made = world((node(), client))
    assert simulate(made, client, "reviews:9080/").status == 502
    assert workloads(simulate(made, client, "reviews.default:9080/")) == ["reviews-v1"]


def test_the_first_rule_that_matches_decides(world: MakeWorld, productpage: Node, simulate: Simulate) -> None:
    made = world(
        text=rules(
            f"[{{name: phone, match: [{{headers: {{user-agent: {{regex: '.*iPhone.*'}}}}}}], {to('v2')}}},"
            f" {{name: jason, match: [{{headers: {{end-user: {{exact: jason}}}}}}], {to('v3')}}},"
            f" {{{to('v1')}}}]"
        )
    )

    def route(**headers: str) -> str:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return str(simulate(made, productpage, "reviews:9080/", named).route)

    assert route(user_agent="an iPhone 15", end_user="jason") == "phone"
    assert route(end_user="jason") == "jason"
    assert route(end_user="jasons") == "default"
    assert route() == "default"


def test_regex_is_a_full_match(world: MakeWorld, productpage: Node, simulate: Simulate) -> None:
    made = world(
        text=rules(
            f"[{{match: [{{headers: {{user-agent: {{regex: iPhone}}}}}}], {to('v2')}}}, {{{to('v1')}}}]"
        )
    )
    headers = {"user-agent": "an iPhone 15"}
    assert workloads(simulate(made, productpage, "reviews:9080/", headers)) == ["reviews-v1"]


def test_weights_share_the_requests(world: MakeWorld, productpage: Node, simulate: Simulate) -> None:
    made = world(
        text=rules(
            "[{route: [{destination: {host: reviews, subset: v1}, weight: 95},"
            " {destination: {host: reviews, subset: v2}, weight: 5},"
            " {destination: {host: reviews, subset: v3}, weight: 0}]}]"
        )
    )
    found = Counter(
        workloads(simulate(made, productpage, "reviews:9080/", draw=draw))[0] for draw in range(200)
    )
    assert set(found) == {"reviews-v1", "reviews-v2"}
    assert found["reviews-v1"] > 160


def test_an_unknown_subset_is_a_cluster_that_does_not_exist(
    world: MakeWorld, productpage: Node, simulate: Simulate
) -> None:
    outcome = simulate(world(text=rules(f"[{{{to('v9')}}}]")), productpage, "reviews:9080/")
    assert outcome.status == 503
    assert outcome.cluster == "outbound|9080|v9|reviews.default.svc.cluster.local"


def test_rules_that_none_match_answer_404(world: MakeWorld, productpage: Node, simulate: Simulate) -> None:
    made = world(text=rules(f"[{{match: [{{uri: {{prefix: /a}}}}], {to('v1')}}}]"))
    assert simulate(made, productpage, "reviews:9080/b").status == 404


def test_source_labels_and_gateways_are_decided_for_each_caller(
    world: MakeWorld, node: MakeNode, productpage: Node, simulate: Simulate
) -> None:
    made = world(
        text=rules(
            f"[{{match: [{{sourceLabels: {{app: ratings}}}}], {to('v3')}}},"
            f" {{match: [{{gateways: [public]}}], {to('v2')}}}, {{{to('v1')}}}]"
        )
    )
    assert workloads(simulate(made, productpage, "reviews:9080/")) == ["reviews-v1"]
    assert workloads(simulate(made, node("ratings-v1", 6), "reviews:9080/")) == ["reviews-v3"]


def test_a_virtual_service_of_gateways_only_is_not_for_sidecars(
    world: MakeWorld, productpage: Node, simulate: Simulate
) -> None:
    made = world(text=rules(f"[{{{to('v1')}}}]", more="gateways: [public]"))
    assert len(simulate(made, productpage, "reviews:9080/").endpoints) == 3
    made = world(text=rules(f"[{{{to('v1')}}}]", more="gateways: [public, mesh]"))
    assert workloads(simulate(made, productpage, "reviews:9080/")) == ["reviews-v1"]


def test_rules_about_other_callers_only_leave_the_service_as_it_is(
    world: MakeWorld, productpage: Node, simulate: Simulate
) -> None:
    made = world(text=rules(f"[{{match: [{{sourceLabels: {{app: ratings}}}}], {to('v3')}}}]"))
    assert len(simulate(made, productpage, "reviews:9080/").endpoints) == 3


def test_the_most_specific_host_wins(world: MakeWorld, productpage: Node, simulate: Simulate) -> None:
    made = world(
        text=rules(f"[{{{to('v3')}}}]", "['*']", "a")
        + rules(f"[{{{to('v2')}}}]", "['*.default.svc.cluster.local']", "b")
        + rules(f"[{{{to('v1')}}}]", name="c")
    )
    assert workloads(simulate(made, productpage, "reviews:9080/")) == ["reviews-v1"]
    assert workloads(simulate(made, productpage, "ratings:9080/")) == ["reviews-v2"]


def test_a_host_nobody_runs_can_be_made_up(world: MakeWorld, productpage: Node, simulate: Simulate) -> None:
    destination = "{host: reviews, subset: v1, port: {number: 9080}}"
    made = world(
        text=rules(f"[{{name: made, route: [{{destination: {destination}}}]}}]", "[shop.example.com]")
    )
    assert workloads(simulate(made, productpage, "shop.example.com/")) == ["reviews-v1"]
    assert simulate(made, productpage, "example.com/").status == 502


def test_matching_on_path_query_method_and_absent_headers(
    world: MakeWorld, productpage: Node, simulate: Simulate
) -> None:
    made = world(
        text=rules(
            "[{name: path, match: [{uri: {exact: /A}, ignoreUriCase: true}], directResponse: {status: 201}},"
            " {name: query, match: [{queryParams: {q: {exact: '1'}}}], directResponse: {status: 202}},"
            " {name: method, match: [{method: {exact: PUT}}], directResponse: {status: 203}},"
            " {name: absent, match: [{withoutHeaders: {x-a: {exact: b}}}], directResponse: {status: 204}},"
            " {directResponse: {status: 205}}]"
        )
    )

    def status(path: str, headers: dict[str, str] | None = None) -> int:
        return int(simulate(made, productpage, f"reviews:9080{path}", headers).status)

    assert status("/a?x=1") == 201
    assert status("/?q=1") == 202
    assert status("/") == 204
    assert status("/", {"x-a": "c"}) == 204
    assert status("/", {"x-a": "b"}) == 205


def forwarded(world: World, proxy: Node) -> Any:
    (routes,) = assemble(world, proxy).routes
    host = next(host for host in routes.virtual_hosts if host.name.startswith("reviews"))
    return host.routes[0]


def test_what_a_rule_says_besides_where(world: MakeWorld, productpage: Node) -> None:
    made = world(
        text=rules(
            """[{name: all, match: [{name: any}], timeout: 1.5s,
              retries: {attempts: 3, perTryTimeout: 500ms, retryOn: "gateway-error,503"},
              fault: {abort: {httpStatus: 555, percentage: {value: 10}}, delay: {fixedDelay: 5s}},
              rewrite: {uri: /v2, authority: other},
              headers: {request: {set: {X-A: b}, remove: [x-c]}, response: {add: {x-d: e}}},
              route: [{destination: {host: reviews}, headers: {request: {set: {x-dest: "1"}}}}]}]"""
        )
    )
    route = forwarded(made, productpage)
    action = route.action
    assert isinstance(action, Forward)
    assert (route.name, route.config) == ("all.any", "virtual-service/default/reviews")
    assert route.fault == Fault(abort=FaultAbort(10.0, 555)), "a delay without a percentage delays nothing"
    assert route.request_headers == HeaderMutation(set=(("x-a", "b"),), remove=("x-c",))
    assert route.response_headers == HeaderMutation(add=(("x-d", "e"),))
    assert (action.timeout_s, action.host_rewrite, action.prefix_rewrite) == (1.5, "other", "/v2")
    assert action.clusters[0].request_headers == HeaderMutation(set=(("x-dest", "1"),))
    assert action.retry is not None
    assert (action.retry.attempts, action.retry.per_try_timeout_s) == (3, 0.5)
    assert action.retry.retry_on == ("gateway-error", "retriable-status-codes")
    assert action.retry.retriable_status_codes == (503,)


@pytest.mark.parametrize(
    ("said", "retry"),
    [("", DEFAULT_RETRY), ("retries: {attempts: 0},", None), ("retries: {attempts: 2},", DEFAULT_RETRY)],
)
def test_retries_by_default_and_switched_off(
    world: MakeWorld, productpage: Node, said: str, retry: Any
) -> None:
    made = world(text=rules(f"[{{{said} {to('v1')}}}]"))
    action = forwarded(made, productpage).action
    assert action.retry == retry
    assert action.timeout_s is None


def test_setting_the_host_header_rewrites_the_authority(world: MakeWorld, productpage: Node) -> None:
    made = world(text=rules(f"[{{headers: {{request: {{set: {{Host: x.com}}}}}}, {to('v1')}}}]"))
    route = forwarded(made, productpage)
    assert route.action.host_rewrite == "x.com"
    assert route.request_headers == HeaderMutation()


@pytest.mark.parametrize(
    ("rule", "action"),
    [
        (
            "redirect: {uri: /new, authority: a.com, redirectCode: 302}",
            Redirect(302, host="a.com", path="/new"),
        ),
        (
            "redirect: {scheme: https, derivePort: FROM_PROTOCOL_DEFAULT}",
            Redirect(301, port=443, scheme="https"),
        ),
        ("directResponse: {status: 418, body: {string: tea}}", DirectResponse(418, b"tea")),
        ("directResponse: {status: 200, body: {bytes: dGVh}}", DirectResponse(200, b"tea")),
    ],
)
def test_answers_that_reach_no_service(
    world: MakeWorld, productpage: Node, rule: str, action: object
) -> None:
    assert forwarded(world(text=rules(f"[{{{rule}}}]")), productpage).action == action


def test_a_rule_nobody_serves_is_passed_over(world: MakeWorld, productpage: Node, simulate: Simulate) -> None:
    made = world(text=rules(f"[{{delegate: {{name: other}}}}, {{{to('v1')}}}]"))
    assert workloads(simulate(made, productpage, "reviews:9080/")) == ["reviews-v1"]


def test_export_to_keeps_a_virtual_service_at_home(
    world: MakeWorld, node: MakeNode, productpage: Node, simulate: Simulate
) -> None:
    client = node("curl", 9, namespace="other", service="", ports=())
    made = world(
        (node(), productpage, client), rules("[{directResponse: {status: 418}}]", more="exportTo: ['.']")
    )
    assert simulate(made, productpage, "reviews:9080/").status == 418
    assert simulate(made, client, "reviews.default:9080/").status == 0


def test_behind_iptables_the_port_is_the_dialled_one(
    world: MakeWorld, node: MakeNode, simulate: Simulate, bookinfo: Callable[..., tuple[Node, ...]]
) -> None:
    nodes = bookinfo(interception="REDIRECT")
    made = world(nodes, rules(f"[{{match: [{{port: 9080}}], {to('v2')}}}]"))
    assert workloads(simulate(made, nodes[0], "reviews:9080/")) == ["reviews-v2"]
    assert simulate(made, nodes[0], "unknown:9080/").cluster == "PassthroughCluster"
    assert simulate(made, nodes[0], "reviews:1234/").cluster == "PassthroughCluster"


def test_a_regex_rewrite_and_a_grpc_abort_arrive(world: MakeWorld, productpage: Node) -> None:
    rewrite = "rewrite: {uriRegexRewrite: {match: '/a/(.*)', rewrite: '/b/\\1'}}"
    abort = "fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 5}}}"
    route = forwarded(world(text=rules(f"[{{{rewrite}, {abort}, {to('v1')}}}]")), productpage)
    assert route.action.regex_rewrite == RegexRewrite("/a/(.*)", "/b/\\1")
    assert route.fault == Fault(abort=FaultAbort(5.0, grpc_status=14))
