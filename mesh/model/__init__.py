"""The narrow waist: frozen, slotted dataclasses with Envoy's words.

Pilot writes them, the codec carries them over xDS, the proxy reads them. They hold no protobuf,
no I/O and no behaviour beyond parsing and formatting their own text forms.

    node        who a proxy is, as it says in its xDS node metadata
    identity    SPIFFE ids
    peer        what telemetry says about the other side of a request
    protocol    what a port speaks
    names       every resource name, SNI and ALPN, in one place
    listener    listeners, filter chains, network filters
    http_filter the HTTP filters and access logs of a connection manager
    route       route configurations, virtual hosts, matches and actions
    substitution  header values that are made for each request
    rate_limit  local rate limits of routes and of connections
    cluster     clusters and their traffic policy
    outlier     outlier detection of a cluster
    health_check  active health checks of a cluster
    grpc_status gRPC's status codes
    endpoint    cluster load assignments
    tls         transport contexts and secrets
    access_log_entry  one finished request, or one report of a connection, for logs, metrics and mixer
    request_report  ... a request as what it has in common with others, and what is its own
    connection_reports  what a report of a connection adds to the counters
    standard_metrics  Istio's metrics: names, labels, and the rule behind each value
    version     of this project
    resources   one proxy's whole configuration
"""
