"""Checks over real sockets: who takes requests, what is counted and shown, what the real Envoy does."""

from __future__ import annotations

import asyncio
import re

import pytest

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.health_check import HealthCheck, HttpHealthCheck, TcpHealthCheck
from mesh.model.outlier import OutlierDetection
from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch
from mesh.proxy.admin_pages import clusters_json, clusters_text
from mesh.proxy.admin_view import ClusterView
from mesh.proxy.data_plane import endpoint_view
from mesh.xds.errors import Rejected

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
SICK = b"HTTP/1.1 503 Sick\r\ncontent-length: 0\r\n\r\n"
QUICK = {
    "timeout_s": 1.0,
    "interval_s": 0.03,
    "no_traffic_interval_s": 0.03,
    "unhealthy_threshold": 2,
    "healthy_threshold": 2,
}


def http(**options: object) -> HealthCheck:
    return HealthCheck(HttpHealthCheck("/healthz", "app"), **{**QUICK, **options})


class Patient:
    """Tells checks from requests; ``well`` answers checks 200, else 503. ``extra`` goes onto its answers."""

    def __init__(self, origin) -> None:
        self.origin = origin
        self.well = True
        self.silent = False
        self.checks = self.asked = 0
        self.extra = b""
        origin.respond = self.respond

    async def respond(self, request, writer) -> None:
        if not request.startswith(b"GET /healthz"):
            self.asked += 1
            writer.write(OK.replace(b"\r\n\r\n", b"\r\n" + self.extra + b"\r\n", 1))
            return
        self.checks += 1
        if not self.silent:
            writer.write(OK if self.well else SICK.replace(b"\r\n\r\n", b"\r\n" + self.extra + b"\r\n"))


@pytest.fixture
async def patients(proxy):
    """Two endpoints of a cluster."""
    return [Patient(await proxy.origin()), Patient(await proxy.origin())]


def stat(proxy, name: str) -> int:
    stats = proxy.worker.stats
    return {**stats.counters, **stats.gauges}[f"cluster.c.{name}"].value


def flags(proxy, view) -> list[str]:
    hosts = proxy.worker.clusters["c"].hosts.values()
    view.cluster_views = [ClusterView("c", [endpoint_view(host) for host in hosts])]
    return re.findall("health_flags::(.*)", clusters_text(view))


def ports(patients) -> list[int]:
    return [patient.origin.port for patient in patients]


async def test_only_who_passes_takes_requests(proxy, serve, make, patients, view):
    well, sick = patients
    sick.well = False
    client = await serve(make.forward("c"), make.cluster("c", *ports(patients), health_check=http()))
    await proxy.until(lambda: well.checks > 1 and sick.checks > 1)
    assert [(await client.get())[0] for _ in range(6)] == [200] * 6
    assert (well.asked, sick.asked) == (6, 0)
    assert (stat(proxy, "membership_healthy"), stat(proxy, "health_check.healthy")) == (1, 1)
    assert stat(proxy, "health_check.attempt") >= 4
    assert stat(proxy, "health_check.success") >= 2
    assert stat(proxy, "health_check.failure") >= 2
    assert stat(proxy, "health_check.network_failure") == 0
    assert flags(proxy, view) == ["healthy", "/failed_active_hc"]
    statuses = clusters_json(view)["cluster_statuses"][0]["host_statuses"]
    assert [one["health_status"].get("failed_active_health_check") for one in statuses] == [None, True]


async def test_checks_are_no_requests_and_no_connections_of_the_cluster(proxy, serve, make, patients):
    await serve(make.forward("c"), make.cluster("c", *ports(patients), health_check=http()))
    await proxy.until(lambda: all(patient.checks > 3 for patient in patients))
    assert (stat(proxy, "upstream_cx_total"), stat(proxy, "upstream_rq_total")) == (0, 0)
    assert [patient.origin.connections for patient in patients] == [1, 1], "one is kept for all checks"
    assert proxy.entries == []


async def test_a_connection_for_each_check_where_that_is_wanted(proxy, serve, make, patients):
    rules = http(reuse_connection=False)
    await serve(make.forward("c"), make.cluster("c", *ports(patients), health_check=rules))
    await proxy.until(lambda: patients[0].checks > 3)
    assert patients[0].origin.connections >= patients[0].checks - 1


async def test_the_first_endpoints_are_trusted_until_they_are_checked(proxy, serve, make, patients):
    patients[0].silent = True  # the check is under way, and says nothing yet
    cluster = make.cluster("c", patients[0].origin.port, health_check=http(timeout_s=0.2))
    client = await serve(make.forward("c"), cluster)
    assert (await client.get())[0] == 200
    await proxy.until(lambda: stat(proxy, "health_check.failure"))
    assert (await client.get())[0] == 503
    assert proxy.entries[-1].response_flags == "UH"


async def test_a_timeout_is_shown(proxy, serve, make, patients, view):
    patients[1].silent = True
    cluster = make.cluster("c", *ports(patients), health_check=http(timeout_s=0.05))
    await serve(make.forward("c"), cluster)
    await proxy.until(lambda: stat(proxy, "health_check.network_failure") >= 2)
    assert flags(proxy, view) == ["healthy", "/failed_active_hc/active_hc_timeout"]


def know(proxy, model: Cluster, *endpoints: Endpoint) -> None:
    """EDS says that these are the cluster's."""
    assignment = ClusterLoadAssignment("c", (LocalityEndpoints(endpoints),))
    listeners = proxy.config.resources.listeners
    proxy.config.apply(Resources(clusters=(model,), listeners=listeners, endpoints=(assignment,)))


def at(patient: Patient) -> Endpoint:
    return Endpoint("127.0.0.1", patient.origin.port)


async def test_who_comes_later_has_to_pass_first(proxy, serve, make, patients):
    old, new = patients
    new.silent = True
    model = Cluster("c", "EDS", lb_policy="ROUND_ROBIN", health_check=http(timeout_s=5.0))
    client = await serve(make.forward("c"), model)
    know(proxy, model, at(old))
    await proxy.until(lambda: old.checks > 1)
    know(proxy, model, at(old), at(new))
    await proxy.until(lambda: new.checks)
    for _ in range(4):
        await client.get()
    assert (old.asked, new.asked) == (4, 0)
    new.silent = False
    know(proxy, model, at(old))
    know(proxy, model, at(old), at(new))
    await proxy.until(lambda: stat(proxy, "membership_healthy") == 2)
    for _ in range(4):
        await client.get()
    assert new.asked == 2


async def test_a_cluster_that_changes_keeps_what_it_knows(proxy, serve, make, patients):
    well, sick = patients
    sick.well = False
    model = Cluster("c", "EDS", lb_policy="ROUND_ROBIN", health_check=http())
    client = await serve(make.forward("c"), model)
    know(proxy, model, at(well), at(sick))
    await proxy.until(lambda: stat(proxy, "membership_healthy") == 1)
    slower = http(interval_s=60.0, initial_jitter_s=60.0)
    changed = Cluster("c", "EDS", lb_policy="ROUND_ROBIN", health_check=slower)
    know(proxy, changed, at(well), at(sick))
    for _ in range(4):
        await client.get()
    assert (well.asked, sick.asked) == (4, 0)
    assert stat(proxy, "health_check.healthy") == 1


@pytest.mark.parametrize("ignoring", [False, True])
async def test_who_is_gone_from_discovery_may_stay_while_it_passes(
    proxy, serve, make, patients, view, ignoring
):
    stays, goes = patients
    model = Cluster(
        "c",
        "EDS",
        lb_policy="ROUND_ROBIN",
        health_check=http(),
        ignore_health_on_host_removal=ignoring,
    )
    client = await serve(make.forward("c"), model)
    know(proxy, model, at(stays), at(goes))
    await proxy.until(lambda: goes.checks > 1)
    know(proxy, model, at(stays))
    assert (await client.get())[0] == 200
    assert flags(proxy, view) == ["healthy", *([] if ignoring else ["/pending_dynamic_removal"])]
    assert stat(proxy, "membership_total") == (1 if ignoring else 2)
    goes.well = False
    await proxy.until(lambda: stat(proxy, "membership_total") == 1)
    know(proxy, model, at(stays), at(goes))
    assert stat(proxy, "membership_total") == 2


async def test_who_comes_back_while_it_stays_is_the_same_one(proxy, serve, make, patients, view):
    stays, goes = patients
    model = Cluster("c", "EDS", health_check=http())
    await serve(make.forward("c"), model)
    know(proxy, model, at(stays), at(goes))
    know(proxy, model, at(stays))
    host = list(proxy.worker.clusters["c"].hosts.values())[1]
    assert host.leaves
    know(proxy, model, at(stays), at(goes))
    assert list(proxy.worker.clusters["c"].hosts.values())[1] is host
    assert not host.leaves


async def test_an_answer_may_ask_to_be_left_out(proxy, serve, make, patients, view):
    tired = patients[1]
    cluster = make.cluster("c", *ports(patients), lb_policy="ROUND_ROBIN", health_check=http(interval_s=60))
    client = await serve(make.forward("c"), cluster)
    await proxy.until(lambda: stat(proxy, "health_check.success") == 2)
    tired.extra = b"x-envoy-immediate-health-check-fail: true\r\n"
    for _ in range(3):
        assert (await client.get())[0] == 200
    assert tired.asked == 1
    assert stat(proxy, "health_check.passive_failure") == 1
    assert stat(proxy, "membership_excluded") == 1
    assert flags(proxy, view) == ["healthy", "/failed_active_hc/excluded_via_immediate_hc_fail"]


async def test_a_check_may_say_so_too(proxy, serve, make, patients, view):
    tired = patients[1]
    tired.well, tired.extra = False, b"x-envoy-immediate-health-check-fail: true\r\n"
    await serve(make.forward("c"), make.cluster("c", *ports(patients), health_check=http()))
    await proxy.until(lambda: stat(proxy, "health_check.failure"))
    await proxy.settled()
    assert flags(proxy, view) == ["healthy", "/failed_active_hc/excluded_via_immediate_hc_fail"]
    tired.well = True
    await proxy.until(lambda: stat(proxy, "membership_healthy") == 2)
    assert flags(proxy, view) == ["healthy", "healthy"]


async def test_a_passed_check_ends_an_ejection(proxy, serve, make, patients):
    sick = patients[1]
    rules = OutlierDetection(consecutive_5xx=1, max_ejection_percent=100, base_ejection_time_s=600)
    cluster = make.cluster("c", *ports(patients), outlier_detection=rules, health_check=http(interval_s=0.2))
    client = await serve(make.forward("c"), cluster)
    await proxy.until(lambda: stat(proxy, "health_check.success") >= 2)
    host = list(proxy.worker.clusters["c"].hosts.values())[1]
    host.monitor.answered(500)
    assert host.is_ejected
    await proxy.until(lambda: not host.is_ejected)
    assert (await client.get())[0] == 200
    assert not sick.silent


async def test_a_rejected_configuration_checks_nobody(proxy, serve, make, patients):
    good = make.cluster("c", patients[0].origin.port)
    await serve(make.forward("c"), good)
    checked = make.cluster("c", *ports(patients), health_check=http())
    bad = Cluster("bad", "EDS", lb_policy="CLUSTER_PROVIDED")
    with pytest.raises(Rejected):
        proxy.config.apply(Resources(clusters=(checked, bad)))
    assert not [task for task in asyncio.all_tasks() if "health check" in task.get_name()]
    original = Cluster("c", "ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED", health_check=http())
    with pytest.raises(Rejected, match="health_checks: not supported with ORIGINAL_DST"):
        proxy.config.apply(Resources(clusters=(original,)))


async def test_a_cluster_that_goes_ends_its_checks(proxy, serve, make, patients):
    await serve(make.forward("c"), make.cluster("c", *ports(patients), health_check=http()))
    await proxy.until(lambda: patients[0].checks)
    proxy.config.apply(Resources())
    await proxy.settled()
    assert stat(proxy, "health_check.healthy") == 0
    seen = stat(proxy, "health_check.attempt")
    await serve(make.forward("d"), make.cluster("d", patients[0].origin.port, health_check=http()))
    checks = patients[0].checks
    await proxy.until(lambda: patients[0].checks > checks + 3)
    assert stat(proxy, "health_check.attempt") == seen


async def test_a_level_whose_checks_fail_leaves_its_part_to_the_next(proxy, serve, make, patients):
    near, far = patients
    near.well = False
    groups = [LocalityEndpoints((at(one),), priority=rank) for rank, one in enumerate((near, far))]
    model = Cluster(
        "c", "STATIC", health_check=http(), load_assignment=ClusterLoadAssignment("c", tuple(groups))
    )
    client = await serve(make.forward("c"), model)
    await proxy.until(lambda: stat(proxy, "membership_healthy") == 1)
    assert (await client.get())[0] == 200
    assert (near.asked, far.asked) == (0, 1)


async def test_when_all_fail_panic_asks_them_all(proxy, serve, make, patients):
    for patient in patients:
        patient.well = False
    cluster = make.cluster("c", *ports(patients), health_check=http(), panic_threshold=50)
    client = await serve(make.forward("c"), cluster)
    await proxy.until(lambda: stat(proxy, "membership_healthy") == 0)
    assert (await client.get())[0] == 200
    assert stat(proxy, "lb_healthy_panic") == 1


@pytest.mark.envoy
async def test_the_real_envoy_asks_the_same_and_concludes_the_same(proxy, serve, envoy, make):
    """Both send the same head; of five endpoints the same ones take requests, before and after two change."""
    rules = HealthCheck(
        HttpHealthCheck(
            "/healthz?deep=1",
            "app.example.com",
            headers=(("x-check", "yes"),),
            expected_statuses=((200, 300),),
        ),
        **QUICK,
    )
    engines = []
    for start in (serve, lambda forward, cluster: envoy(make.routes(Route(RouteMatch(), forward)), cluster)):
        patients = [Patient(await proxy.origin()) for _ in range(5)]
        patients[1].well = patients[2].well = False
        cluster = make.cluster("c", *ports(patients), lb_policy="ROUND_ROBIN", health_check=rules)
        engines.append((patients, await start(make.forward("c"), cluster)))

    async def who_is_asked(patients, client) -> set[int]:
        before = [patient.asked for patient in patients]
        statuses = {(await client.get())[0] for _ in range(15)}
        assert statuses == {200}
        return {n for n, patient in enumerate(patients) if patient.asked > before[n]}

    async def until_asked(patients, client, expected: set[int]) -> None:
        async with asyncio.timeout(10):
            while await who_is_asked(patients, client) != expected:
                pass

    for patients, client in engines:
        await until_asked(patients, client, {0, 3, 4})
        patients[1].well, patients[3].well = True, False
        await until_asked(patients, client, {0, 1, 4})
    heads = [
        {line.split(b":")[0].lower(): line for line in patients[0].origin.requests[0].split(b"\r\n")}
        for patients, _ in engines
    ]
    assert heads[0] == heads[1]


@pytest.mark.envoy
@pytest.mark.parametrize("up", [True, False])
async def test_the_real_envoy_agrees_about_bytes(proxy, serve, envoy, make, up):
    """An endpoint that answers HTTP, asked in bytes for a line of it."""
    expected = (b"200", b"hi" if up else b"no")
    check = TcpHealthCheck(b"GET /healthz HTTP/1.1\r\n\r\n", expected)
    rules = HealthCheck(check, timeout_s=0.1, interval_s=0.05, no_traffic_interval_s=0.05)
    for start in (serve, lambda forward, cluster: envoy(make.routes(Route(RouteMatch(), forward)), cluster)):
        patient = Patient(await proxy.origin())
        cluster = make.cluster("c", patient.origin.port, health_check=rules)
        client = await start(make.forward("c"), cluster)
        async with asyncio.timeout(10):
            while (await client.get())[0] != (200 if up else 503):
                pass
