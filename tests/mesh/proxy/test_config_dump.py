"""The dump has Envoy's shape: Envoy's own message reads it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from envoy.admin.v3 import config_dump_pb2, config_dump_shared_pb2
from google.protobuf import json_format

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.model.tls import Secrets, TlsCertificate
from mesh.proxy.admin_view import ConfigView
from mesh.proxy.config_dump import config_dump

if TYPE_CHECKING:
    from tests.mesh.conftest import SidecarView

KEY = b"-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"


def routes(name: str) -> RouteConfiguration:
    route = Route(RouteMatch(), Forward((WeightedCluster("c"),)), config="virtual-service/default/reviews")
    return RouteConfiguration(name, (VirtualHost("v", ("*",), (route,)),))


def assignment(name: str) -> ClusterLoadAssignment:
    return ClusterLoadAssignment(name, (LocalityEndpoints((Endpoint("127.0.0.1", 9080),)),))


RESOURCES = Resources(
    clusters=(
        Cluster("c", "EDS"),
        Cluster("inbound|9080||", "STATIC", load_assignment=assignment("inbound|9080||")),
    ),
    endpoints=(assignment("c"),),
    listeners=(
        Listener(
            "l",
            "127.0.0.1",
            9080,
            (FilterChain("f", HttpConnectionManager("p", (Router(),), route_config=routes("inline"))),),
        ),
    ),
    routes=(routes("9080"),),
)


def dump_of(view: SidecarView, *, include_eds: bool = True) -> dict[str, dict[str, object]]:
    view.config_view = ConfigView(
        RESOURCES, {"CDS": "c1", "LDS": "l1", "EDS": "e1"}, {"CDS": 1_700_000_000.5}
    )
    view.secrets_held = Secrets(TlsCertificate(b"chain", KEY), b"roots")
    parts = config_dump(view, include_eds=include_eds)["configs"]
    return {str(part["@type"]).rpartition(".")[2]: part for part in parts}


def test_envoys_own_messages_read_every_part(view: SidecarView) -> None:
    for name, part in dump_of(view).items():
        module = (
            config_dump_pb2
            if name in ("BootstrapConfigDump", "SecretsConfigDump")
            else config_dump_shared_pb2
        )
        if not hasattr(module, name):
            module = config_dump_shared_pb2
        content = {key: value for key, value in part.items() if key != "@type"}
        json_format.ParseDict(content, getattr(module, name)())


def test_versions_and_times_are_per_type_and_absent_when_none_came(view: SidecarView) -> None:
    dump = dump_of(view)
    clusters = dump["ClustersConfigDump"]
    assert clusters["version_info"] == "c1"
    first = clusters["dynamic_active_clusters"][0]  # type: ignore[index]
    assert (first["version_info"], first["last_updated"]) == ("c1", "2023-11-14T22:13:20.500Z")
    assert "version_info" not in dump["RoutesConfigDump"]["dynamic_route_configs"][0]  # type: ignore[index]


def test_inline_routes_and_endpoints_are_static(view: SidecarView) -> None:
    dump = dump_of(view)
    static = dump["RoutesConfigDump"]["static_route_configs"]
    assert [one["route_config"]["name"] for one in static] == ["inline"]  # type: ignore[attr-defined]
    static = dump["EndpointsConfigDump"]["static_endpoint_configs"]
    assert [one["endpoint_config"]["cluster_name"] for one in static] == ["inbound|9080||"]  # type: ignore[attr-defined]


def test_endpoints_are_left_out_unless_asked_for(view: SidecarView) -> None:
    assert "EndpointsConfigDump" not in dump_of(view, include_eds=False)


def test_no_private_key_is_ever_in_it(view: SidecarView) -> None:
    text = json.dumps(dump_of(view))
    for secret in (KEY.decode(), "c2VjcmV0", base64.b64encode(KEY).decode()):
        assert secret not in text
    assert base64.b64encode(b"[redacted]").decode() in text
    assert base64.b64encode(b"chain").decode() in text
