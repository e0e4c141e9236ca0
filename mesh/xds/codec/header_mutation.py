"""Headers to set, add and remove: four fields which Envoy repeats on routes, clusters and configurations."""

from __future__ import annotations

from typing import Any

from envoy.config.core.v3 import base_pb2

from mesh.model.route import HeaderMutation

_SET = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_ADD = base_pb2.HeaderValueOption.APPEND_IF_EXISTS_OR_ADD


def encode_mutations(message: Any, request: HeaderMutation, response: HeaderMutation) -> None:
    """Write both directions into a message that has Envoy's four fields."""
    message.request_headers_to_add.extend(_options(request))
    message.request_headers_to_remove.extend(request.remove)
    message.response_headers_to_add.extend(_options(response))
    message.response_headers_to_remove.extend(response.remove)


def decode_mutations(message: Any) -> tuple[HeaderMutation, HeaderMutation]:
    """(request, response)."""
    return (
        _mutation(message.request_headers_to_add, message.request_headers_to_remove),
        _mutation(message.response_headers_to_add, message.response_headers_to_remove),
    )


def _options(mutation: HeaderMutation) -> list[Any]:
    options = [_option(name, value, _SET) for name, value in mutation.set]
    return options + [_option(name, value, _ADD) for name, value in mutation.add]


def _option(name: str, value: str, action: int) -> Any:
    """A value may hold commands, which the model has as Envoy has them."""
    header = base_pb2.HeaderValue(key=name, value=value)
    return base_pb2.HeaderValueOption(header=header, append_action=action, keep_empty_value=not value)


def _mutation(options: Any, remove: Any) -> HeaderMutation:
    pairs: dict[int, list[tuple[str, str]]] = {_SET: [], _ADD: []}
    for option in options:
        if option.append_action in pairs:
            pairs[option.append_action].append((option.header.key, option.header.value))
    return HeaderMutation(tuple(pairs[_SET]), tuple(pairs[_ADD]), tuple(remove))
