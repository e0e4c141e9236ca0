"""The sidecar's data plane (Envoy's role), its files in the order in which a request meets them.

    server           the parts wired together; a sidecar's life
    crew/            its workers, each a process
    data_plane       ... and what each of them is
    listener         a socket, its filter chains, its connections
    overload         when there is too much
    accepted         a connection until it is known what it is
    original_dst     where it was going before it was redirected
    sniff            what it begins with: TLS, and for whom (pure)
    sniff_http       ... or HTTP, in which version (pure)
    chain_match      which filter chain takes it (pure)
    chain            a filter chain at run time
    tls              TLS between the socket and the protocol on it
    tls_client       a client's handshake
    handshake        why there is none, in Envoy's words
    tls_session      what the next handshake with a host need not do again
    openssl          ... as OpenSSL has it, and the order of cipher suites
    tls_stats        Envoy's ssl. counters
    tls_contexts     SSL contexts from the workload's secrets
    peer_certificate what the other side's certificate says (pure)
    connection_info  what is known of a connection
    http_manager     what the HTTP connections of a chain share
    connection       a client's HTTP connection: one request after the other
    http2            what both sides' HTTP/2 connections share
    http2_connection a client's HTTP/2 connection
    downstream_stream
                     one of its streams: one request
    ends             what an exchange needs of its two ends
    exchange         a request's biography
    exchange_state   what is known of it on the way
    heads            what is put on and taken off its heads
    internal         who may say how it is handled (pure)
    edge             ... at the edge of the mesh (pure)
    route            virtual host, route, weighted cluster (pure)
    matching         compiled string matches (pure)
    mutation         compiled header mutations (pure)
    substitution     values made for each request
    rewrite          redirects and rewrites (pure)
    fault_script     faults by count (pure)
    filters/         peer metadata, rate limits, faults, CORS
    token_bucket     of what there may be so much and no more (pure)
    request_body     its body: counted, kept (pure)
    mirror           its copies
    wishes           what its own x-envoy- fields ask for (pure)
    timeout          its time limits
    stream_idle      ... and the one on lying still
    attempts         its further attempts
    retry            whether there is one (pure)
    tried            ... and what it avoids (pure)
    cluster          endpoints, load balancer, breaker of a cluster
    host             one of its endpoints
    health_watch     which of them are well
    health_check/    ... asked whether it is well
    dns              ... of endpoints given by name
    cluster_stats    a cluster's counters
    load_balancer    which level, locality, endpoint (pure)
    balance          which of several endpoints (pure)
    edf              ... in turns by weight (pure)
    hash_policy      ... by what of a request (pure)
    hash_table       ... and where that belongs (pure)
    priority         how much each level of endpoints takes (pure)
    slow_start       how a new endpoint's weight grows (pure)
    outlier          which endpoint is left out for a while (pure)
    success_rate     ... because it fails more than the others (pure)
    breaker          how much at one time
    pool             the connections to an endpoint
    dial             how they are made
    upstream         one of them
    http2_pool       the HTTP/2 connections to an endpoint
    http2_upstream   one of them
    upstream_stream  one of its streams
    tunnel           CONNECT that ends here: to an endpoint as bytes
    tunnel_connection  ... by a connection of its own
    failure          why there is no answer (pure)
    reply            what the client is told then (pure)
    grpc             what gRPC clients are told, and say (pure)
    grpc_messages    ... in how many messages (pure)
    flags            Envoy's response flags (pure)
    tcp_proxy        connections that are only bytes
    relay            bytes there and back
    access_record    a finished exchange as a report
    connection_record  ... and a connection that is only bytes
    sinks            where they go:
    access_line      ... Istio's line
    access_log       ... in a file
    als              ... Envoy's access log service
    istio_stats      ... Istio's standard metrics

Beside the road:

    __main__, bootstrap  the command line and the static configuration
    config           the dynamic configuration, taken whole
    worker           what one event loop shares
    timers           coarse timers
    heap             free memory that is kept
    stats            counters and gauges
    drain            leaving without losing a request
    view             the running proxy as admin sees it
    admin_view       ... as a protocol
    admin, admin_http, admin_pages, config_dump, health, metrics_server
                     the ports that tell about it
    exposition, istio_exposition
                     metrics as Prometheus text
    agent/           certificates, the way to the control plane, Envoy as the other engine
"""
