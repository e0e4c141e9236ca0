"""Route configurations, their virtual hosts and routes."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.route.v3 import route_components_pb2, route_pb2

from mesh.model.names import ISTIO_METADATA
from mesh.model.route import Action, DirectResponse, Forward, Redirect, Route, RouteConfiguration, VirtualHost
from mesh.xds.codec import route_action
from mesh.xds.codec.cors import CORS_FILTER, decode_cors, encode_cors
from mesh.xds.codec.fault import FAULT_FILTER, decode_fault, encode_fault
from mesh.xds.codec.fault_script import SCRIPT_FILTER, decode_script, encode_script
from mesh.xds.codec.header_mutation import decode_mutations, encode_mutations
from mesh.xds.codec.rate_limit import RATE_LIMIT_FILTER, decode_rate_limit, encode_rate_limit
from mesh.xds.codec.route_match import decode_match, encode_match
from mesh.xds.codec.wire import metadata, metadata_text
from mesh.xds.errors import Rejected

_ALL: Final = route_components_pb2.VirtualHost.ALL
_ENVOY_BODY_LIMIT: Final = 4096  # bytes of a direct response's body, unless the configuration says more


def encode_route_configuration(config: RouteConfiguration) -> Any:
    """Clusters are not validated: a route to an unknown one answers 503 NC, as in Istio; that is no NACK."""
    message = route_pb2.RouteConfiguration(
        name=config.name,
        virtual_hosts=[_encode_virtual_host(host) for host in config.virtual_hosts],
        validate_clusters={"value": False},
    )
    encode_mutations(message, config.request_headers, config.response_headers)
    longest = max(map(_body_size, config.virtual_hosts), default=0)
    if longest > _ENVOY_BODY_LIMIT:
        message.max_direct_response_body_size_bytes.value = longest
    return message


def decode_route_configuration(message: Any) -> RouteConfiguration:
    hosts = tuple(map(_decode_virtual_host, message.virtual_hosts))
    return RouteConfiguration(message.name, hosts, *decode_mutations(message))


def _body_size(host: VirtualHost) -> int:
    actions = (route.action for route in host.routes)
    return max((len(action.body) for action in actions if isinstance(action, DirectResponse)), default=0)


def _encode_virtual_host(host: VirtualHost) -> Any:
    routes = [_encode_route(route) for route in host.routes]
    return route_components_pb2.VirtualHost(
        require_tls=_ALL if host.require_tls else 0,
        name=host.name,
        domains=host.domains,
        routes=routes,
        include_request_attempt_count=host.include_attempt_count,
    )


def _decode_virtual_host(message: Any) -> VirtualHost:
    routes = tuple(map(_decode_route, message.routes))
    counts = message.include_request_attempt_count
    require_tls = message.require_tls == _ALL
    return VirtualHost(message.name, tuple(message.domains), routes, counts, require_tls)


def _encode_route(route: Route) -> Any:
    message = route_components_pb2.Route(
        name=route.name,
        match=encode_match(route.match),
        metadata=metadata({ISTIO_METADATA: {"config": route.config} if route.config else {}}),
    )
    if route.decorator:
        message.decorator.operation = route.decorator
    if route.fault is not None:
        message.typed_per_filter_config[FAULT_FILTER].CopyFrom(encode_fault(route.fault))
    if route.rate_limit is not None:
        message.typed_per_filter_config[RATE_LIMIT_FILTER].CopyFrom(encode_rate_limit(route.rate_limit))
    if route.script:
        message.typed_per_filter_config[SCRIPT_FILTER].CopyFrom(encode_script(route.script))
    if route.cors is not None:
        message.typed_per_filter_config[CORS_FILTER].CopyFrom(encode_cors(route.cors))
    encode_mutations(message, route.request_headers, route.response_headers)
    _encode_action(route.action, message)
    return message


def _decode_route(message: Any) -> Route:
    fault = message.typed_per_filter_config.get(FAULT_FILTER)
    cors = message.typed_per_filter_config.get(CORS_FILTER)
    script = message.typed_per_filter_config.get(SCRIPT_FILTER)
    rate_limit = message.typed_per_filter_config.get(RATE_LIMIT_FILTER)
    request_headers, response_headers = decode_mutations(message)
    return Route(
        match=decode_match(message.match),
        action=_decode_action(message),
        name=message.name,
        config=metadata_text(message, ISTIO_METADATA, "config"),
        fault=None if fault is None else decode_fault(fault),
        cors=None if cors is None else decode_cors(cors),
        script=() if script is None else decode_script(script),
        rate_limit=None if rate_limit is None else decode_rate_limit(rate_limit),
        request_headers=request_headers,
        response_headers=response_headers,
        decorator=message.decorator.operation,
    )


def _encode_action(action: Action, message: Any) -> None:
    match action:
        case Forward():
            message.route.CopyFrom(route_action.encode_forward(action))
        case Redirect():
            message.redirect.CopyFrom(route_action.encode_redirect(action))
        case DirectResponse():
            message.direct_response.CopyFrom(route_action.encode_direct_response(action))


def _decode_action(message: Any) -> Action:
    match message.WhichOneof("action"):
        case "route":
            return route_action.decode_forward(message.route)
        case "redirect":
            return route_action.decode_redirect(message.redirect)
        case "direct_response":
            return route_action.decode_direct_response(message.direct_response)
        case other:
            raise Rejected(f"route {message.name!r}: {other or 'action'}: not supported")
