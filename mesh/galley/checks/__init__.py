"""What a well-shaped object may still get wrong: pure generators of problems, one file a kind.

common              names, hosts, labels, RE2, headers
request_match       what is asked of a request
http_route          one rule of ``spec.http``
reachability        rules that no request can reach
virtual_service     VirtualService
annotations         those of our own
destination_rule    DestinationRule
locality            ... its localityLbSetting
peer_authentication PeerAuthentication
service             Service
secret              Secret
gateway             Gateway
service_entry       ServiceEntry
health_check        HealthCheck
local_rate_limit    LocalRateLimit
"""
