"""What a route does with a request: forward, redirect, answer; and the retry policy of forwarding."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.retry.host.previous_hosts.v3 import previous_hosts_pb2
from envoy.extensions.retry.priority.previous_priorities.v3 import previous_priorities_config_pb2

from mesh.model.route import (
    DirectResponse,
    Forward,
    Mirror,
    Redirect,
    RegexRewrite,
    RetryPolicy,
    WeightedCluster,
)
from mesh.xds.codec.hash_policy import decode_hash_policy, encode_hash_policy
from mesh.xds.codec.header_mutation import decode_mutations, encode_mutations
from mesh.xds.codec.wire import duration, fraction, pack, percentage, seconds, unpack
from mesh.xds.errors import Rejected

_PREVIOUS_HOSTS: Final = "envoy.retry_host_predicates.previous_hosts"
_PREVIOUS_PRIORITIES: Final = "envoy.retry_priorities.previous_priorities"
_Priorities: Final = previous_priorities_config_pb2.PreviousPrioritiesConfig
_CONNECT: Final = "CONNECT"
_REDIRECT_CODE: Final = {
    301: route_components_pb2.RedirectAction.MOVED_PERMANENTLY,
    302: route_components_pb2.RedirectAction.FOUND,
    303: route_components_pb2.RedirectAction.SEE_OTHER,
    307: route_components_pb2.RedirectAction.TEMPORARY_REDIRECT,
    308: route_components_pb2.RedirectAction.PERMANENT_REDIRECT,
}
_REDIRECT_CODE_OF: Final = {number: code for code, number in _REDIRECT_CODE.items()}


def encode_forward(action: Forward) -> Any:
    """A timeout of 0 s is Envoy's "no limit"; leaving it out would mean 15 s.

    Without a limit of the route a gRPC client's own deadline holds, however long. Istio sets the same, and as
    Istio only then: beside ``max_stream_duration`` Envoy heeds ``timeout`` no more.
    """
    message = route_components_pb2.RouteAction(timeout=duration(action.timeout_s or 0))
    if not action.timeout_s:
        message.max_stream_duration.grpc_timeout_header_max.SetInParent()
    lone = len(action.clusters) == 1 and action.clusters[0] == WeightedCluster(action.clusters[0].name)
    if lone and not action.sticky:
        message.cluster = action.clusters[0].name
    else:
        clusters = map(_encode_weighted, action.clusters)
        message.weighted_clusters.CopyFrom(route_components_pb2.WeightedCluster(clusters=clusters))
        if action.sticky:
            message.weighted_clusters.use_hash_policy.value = True
    if action.retry is not None:
        message.retry_policy.CopyFrom(_encode_retry(action.retry))
    if action.host_rewrite is not None:
        message.host_rewrite_literal = action.host_rewrite
    if action.prefix_rewrite is not None:
        message.prefix_rewrite = action.prefix_rewrite
    if action.regex_rewrite is not None:
        message.regex_rewrite.pattern.regex = action.regex_rewrite.pattern
        message.regex_rewrite.substitution = action.regex_rewrite.substitution
    message.request_mirror_policies.extend(map(_encode_mirror, action.mirrors))
    message.hash_policy.extend(map(encode_hash_policy, action.hash_policies))
    if action.terminate_connect:
        message.upgrade_configs.add(upgrade_type=_CONNECT).connect_config.SetInParent()
    return message


def decode_forward(message: Any) -> Forward:
    if message.WhichOneof("cluster_specifier") == "weighted_clusters":
        clusters = tuple(map(_decode_weighted, message.weighted_clusters.clusters))
    else:
        clusters = (WeightedCluster(message.cluster),)
    return Forward(
        clusters=clusters,
        timeout_s=seconds(message.timeout) or None,
        retry=_decode_retry(message.retry_policy) if message.HasField("retry_policy") else None,
        host_rewrite=message.host_rewrite_literal if message.HasField("host_rewrite_literal") else None,
        prefix_rewrite=message.prefix_rewrite or None,
        mirrors=tuple(map(_decode_mirror, message.request_mirror_policies)),
        regex_rewrite=_decode_regex_rewrite(message),
        hash_policies=tuple(map(decode_hash_policy, message.hash_policy)),
        sticky=message.weighted_clusters.use_hash_policy.value,
        terminate_connect=any(one.HasField("connect_config") for one in message.upgrade_configs),
    )


def _decode_regex_rewrite(message: Any) -> RegexRewrite | None:
    if not message.HasField("regex_rewrite"):
        return None
    return RegexRewrite(message.regex_rewrite.pattern.regex, message.regex_rewrite.substitution)


def _encode_mirror(mirror: Mirror) -> Any:
    return route_components_pb2.RouteAction.RequestMirrorPolicy(
        cluster=mirror.cluster,
        runtime_fraction={"default_value": fraction(mirror.percentage)},
        trace_sampled={"value": False},
        disable_shadow_host_suffix_append=not mirror.shadow_suffix,
    )


def _decode_mirror(message: Any) -> Mirror:
    share = percentage(message.runtime_fraction.default_value)
    return Mirror(message.cluster, share, not message.disable_shadow_host_suffix_append)


def _encode_weighted(cluster: WeightedCluster) -> Any:
    message = route_components_pb2.WeightedCluster.ClusterWeight(
        name=cluster.name, weight={"value": cluster.weight}
    )
    encode_mutations(message, cluster.request_headers, cluster.response_headers)
    return message


def _decode_weighted(message: Any) -> WeightedCluster:
    return WeightedCluster(message.name, message.weight.value, *decode_mutations(message))


def _encode_retry(retry: RetryPolicy) -> Any:
    message = route_components_pb2.RetryPolicy(
        retry_on=",".join(retry.retry_on),
        num_retries={"value": retry.attempts},
        retriable_status_codes=retry.retriable_status_codes,
        host_selection_retry_max_attempts=retry.host_selection_attempts,
        retry_back_off={
            "base_interval": duration(retry.base_interval_s),
            "max_interval": duration(retry.max_interval_s),
        },
    )
    for name in retry.retriable_headers:
        message.retriable_headers.add(name=name, present_match=True)
    if retry.per_try_timeout_s is not None:
        message.per_try_timeout.CopyFrom(duration(retry.per_try_timeout_s))
    if retry.avoid_previous_hosts:
        predicate = pack(previous_hosts_pb2.PreviousHostsPredicate())
        message.retry_host_predicate.add(name=_PREVIOUS_HOSTS, typed_config=predicate)
    if retry.previous_priorities:
        message.retry_priority.name = _PREVIOUS_PRIORITIES
        every = _Priorities(update_frequency=retry.previous_priorities)
        message.retry_priority.typed_config.CopyFrom(pack(every))
    return message


def _decode_retry(message: Any) -> RetryPolicy:
    bounded = message.HasField("per_try_timeout")
    return RetryPolicy(
        attempts=message.num_retries.value,
        retry_on=tuple(message.retry_on.split(",")) if message.retry_on else (),
        per_try_timeout_s=seconds(message.per_try_timeout) if bounded else None,
        retriable_status_codes=tuple(message.retriable_status_codes),
        avoid_previous_hosts=bool(message.retry_host_predicate),
        host_selection_attempts=message.host_selection_retry_max_attempts,
        base_interval_s=seconds(message.retry_back_off.base_interval),
        max_interval_s=seconds(message.retry_back_off.max_interval),
        retriable_headers=tuple(header.name for header in message.retriable_headers),
        previous_priorities=_decode_previous_priorities(message),
    )


def _decode_previous_priorities(message: Any) -> int:
    if not message.HasField("retry_priority"):
        return 0
    return int(unpack(message.retry_priority.typed_config, _Priorities).update_frequency)


def encode_redirect(action: Redirect) -> Any:
    if action.code not in _REDIRECT_CODE:
        raise Rejected(f"redirect.code: {action.code} is not supported (expected 301, 302, 303, 307 or 308)")
    if action.path is not None and action.prefix_rewrite is not None:
        raise Rejected("redirect.prefix_rewrite: cannot stand beside path")
    message = route_components_pb2.RedirectAction(
        response_code=_REDIRECT_CODE[action.code],
        host_redirect=action.host or "",
        port_redirect=action.port or 0,
    )
    if action.scheme is not None:
        message.scheme_redirect = action.scheme
    if action.path is not None:
        message.path_redirect = action.path
    if action.prefix_rewrite is not None:
        message.prefix_rewrite = action.prefix_rewrite
    return message


def decode_redirect(message: Any) -> Redirect:
    return Redirect(
        code=_REDIRECT_CODE_OF.get(message.response_code, 301),
        host=message.host_redirect or None,
        port=message.port_redirect or None,
        scheme=message.scheme_redirect if message.HasField("scheme_redirect") else None,
        path=message.path_redirect if message.HasField("path_redirect") else None,
        prefix_rewrite=message.prefix_rewrite if message.HasField("prefix_rewrite") else None,
    )


def encode_direct_response(action: DirectResponse) -> Any:
    message = route_components_pb2.DirectResponseAction(status=action.status)
    if action.body:
        message.body.CopyFrom(base_pb2.DataSource(inline_bytes=action.body))
    return message


def decode_direct_response(message: Any) -> DirectResponse:
    return DirectResponse(message.status, message.body.inline_bytes)
