"""Model <-> Envoy's v3 messages: the only place where protobuf is written or read field by field.

codec             the table of types; encode(resource), decode(any), TYPE_URLS
strict            the proof that decoding lost nothing
wire              Any, durations, config sources, metadata
listener          listeners and filter chains
network_filter    HTTP connection manager, TCP proxy
http_filter       the HTTP filters
access_logger     access log configuration
route             route configurations, virtual hosts, routes
route_match       path, header and query matchers
route_action      forwarding with retries, redirects, direct responses
fault             the fault filter's per-route part
fault_script      scripted faults, ours
cors              the cors filter's per-route part
rate_limit        local rate limits: on routes, and of connections
hash_policy       what of a request its endpoint is chosen by
header_mutation   headers to set, add and remove
cluster           clusters
outlier           outlier detection of a cluster
health_check      active health checks of a cluster
endpoint          cluster load assignments
tls               transport sockets
secret            SDS secrets
peer              x-envoy-peer-metadata
access_log        finished requests: AccessLogEntry <-> HTTPAccessLogEntry
access_log_batch  the same for many requests, fast: what they have in common is encoded once
connection_log    reports of connections: AccessLogEntry <-> TCPAccessLogEntry
response_flags    Envoy's flags: short form <-> message
"""
