"""Istio's configuration API as frozen pydantic models, with Istio's field names.

base                the models' common ground, and the shape of every object
metadata            name, namespace, labels, annotations
scalars             durations, ports, percentages, counts
string_match        exact, prefix or regex
request_match       what is asked of a request
http_route          the rules of ``VirtualService.spec.http``
virtual_service     VirtualService, with tcp and tls rules
annotations         what Istio has no field for, said beside it
fault_script        the text of one of them
outlier_options     ... and of another
traffic_policy      load balancing, connection pools, outlier detection, TLS
destination_rule    DestinationRule
peer_authentication PeerAuthentication
service             the Kubernetes Service
secret              the Kubernetes Secret
gateway             Gateway
service_entry       ServiceEntry
health_check        HealthCheck, ours
local_rate_limit    LocalRateLimit, ours
kinds               the table of all of these
"""
