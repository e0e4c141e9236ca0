"""The traffic policy of a DestinationRule: of the whole host, of a subset, of a port."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from mesh.galley.api.base import ApiModel, Items, check_one_of
from mesh.galley.api.http_route import PortSelector
from mesh.galley.api.scalars import Count, Duration, PercentInt, PercentValue, PositiveDuration, UCount

SimpleLb = Literal["UNSPECIFIED", "LEAST_REQUEST", "LEAST_CONN", "ROUND_ROBIN", "RANDOM", "PASSTHROUGH"]
TlsMode = Literal["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]


class HttpCookie(ApiModel):
    name: str
    path: str = ""
    ttl: Duration | None = None


class RingHash(ApiModel):
    minimum_ring_size: UCount = 1024


class Maglev(ApiModel):
    table_size: UCount = 65537


class ConsistentHash(ApiModel):
    http_header_name: str | None = None
    http_cookie: HttpCookie | None = None
    use_source_ip: bool | None = None
    http_query_parameter_name: str | None = None
    ring_hash: RingHash | None = None
    maglev: Maglev | None = None
    minimum_ring_size: UCount | None = None

    @model_validator(mode="after")
    def _one_of(self) -> ConsistentHash:
        check_one_of(self, "httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName")
        check_one_of(self, "ringHash", "maglev", required=False)
        return self


class Distribute(ApiModel):
    from_: str = Field(alias="from")
    to: Mapping[str, UCount]


class Failover(ApiModel):
    from_: str = Field(alias="from")
    to: str


class LocalityLb(ApiModel):
    distribute: Items[Distribute] = ()
    failover: Items[Failover] = ()
    failover_priority: Items[str] = ()
    enabled: bool | None = None


class Warmup(ApiModel):
    duration: PositiveDuration
    minimum_percent: PercentValue | None = None
    aggression: float | None = None


class LoadBalancer(ApiModel):
    simple: SimpleLb | None = None
    consistent_hash: ConsistentHash | None = None
    locality_lb_setting: LocalityLb | None = None
    warmup_duration_secs: PositiveDuration | None = None
    warmup: Warmup | None = None

    @model_validator(mode="after")
    def _one_of(self) -> LoadBalancer:
        check_one_of(self, "simple", "consistentHash", required=False)
        return self


class TcpKeepalive(ApiModel):
    probes: UCount | None = None
    time: PositiveDuration | None = None
    interval: PositiveDuration | None = None


class TcpPool(ApiModel):
    """``max_connections`` 0 or None: no limit."""

    max_connections: Count | None = None
    connect_timeout: PositiveDuration | None = None
    tcp_keepalive: TcpKeepalive | None = None
    max_connection_duration: PositiveDuration | None = None
    idle_timeout: Duration | None = None


class HttpPool(ApiModel):
    http1_max_pending_requests: Count | None = None
    http2_max_requests: Count | None = None
    max_requests_per_connection: Count | None = None
    max_retries: Count | None = None
    idle_timeout: Duration | None = None
    h2_upgrade_policy: Literal["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"] | None = None
    use_client_protocol: bool | None = None
    max_concurrent_streams: Count | None = None


class ConnectionPool(ApiModel):
    tcp: TcpPool | None = None
    http: HttpPool | None = None


class OutlierDetection(ApiModel):
    consecutive_errors: Count | None = None
    split_external_local_origin_errors: bool | None = None
    consecutive_local_origin_failures: UCount | None = None
    consecutive_gateway_errors: UCount | None = None
    consecutive_5xx_errors: UCount | None = Field(default=None, alias="consecutive5xxErrors")
    interval: PositiveDuration | None = None
    base_ejection_time: PositiveDuration | None = None
    max_ejection_percent: PercentInt | None = None
    min_health_percent: PercentInt | None = None


class ClientTls(ApiModel):
    mode: TlsMode = "DISABLE"
    client_certificate: str | None = None
    private_key: str | None = None
    ca_certificates: str | None = None
    credential_name: str | None = None
    subject_alt_names: Items[str] = ()
    sni: str | None = None
    insecure_skip_verify: bool | None = None
    ca_crl: str | None = None


class PortTrafficPolicy(ApiModel):
    port: PortSelector
    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTls | None = None


class Tunnel(ApiModel):
    protocol: str = ""
    target_host: str
    target_port: UCount


class ProxyProtocol(ApiModel):
    version: Literal["V1", "V2"] = "V1"


class RetryBudget(ApiModel):
    percent: PercentValue | None = None
    min_retry_concurrency: UCount | None = None


class TrafficPolicy(ApiModel):
    """A port's settings replace the host's, a subset's override them field by field (Istio's rule)."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    outlier_detection: OutlierDetection | None = None
    tls: ClientTls | None = None
    port_level_settings: Items[PortTrafficPolicy] = ()
    tunnel: Tunnel | None = None
    proxy_protocol: ProxyProtocol | None = None
    retry_budget: RetryBudget | None = None
