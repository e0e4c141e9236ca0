"""Translation: (world, proxy) -> resources. Pure; each file one part of the answer.

assemble             the whole answer
listeners            inbound and outbound
inbound              what comes to the application
inbound_chains       ... the chains of a port, by protocol and mTLS mode
outbound             what the application sends
outbound_http        ... in requests: connection managers
outbound_tcp         ... in bytes, by address and by SNI
places               the addresses that tell a service
l4_route             ... as ``tcp`` and ``tls`` rules say
gateway              the servers of a router, and what binds to them
gateway_listeners    ... its listeners
gateway_routes       ... what it does with requests
gateway_tls          ... how it ends TLS
secrets              secrets by name
filters              what differs between the two engines
routes               route configurations and virtual hosts
virtual_service      which VirtualService governs a host, its rules as routes
delegate             rules that another VirtualService has the routes of
match                one match entry
action               forward by weight, redirect, direct response
destination          which cluster a destination means
mirror               copies of requests
sticky               weights drawn by a hash
retry                retry policies
fault                delays and aborts
cors                 who may call from another origin
hash_policy          consistent hashing: what of a request
headers              header operations
client               the callers' side of a workload
clusters             outbound by service, port and subset; inbound; special ones
entry_cluster        those of ServiceEntries
client_tls           how a cluster originates TLS
cluster_policy       what a policy makes of a cluster
destination_rule     which policy is in force
health_check         which active health check is
endpoints            the workloads of each cluster
locality             near and far endpoints
peer_authentication  which mTLS mode is in force
rate_limit           which local rate limit is
selection            whom a policy with a selector concerns
hosts                full names, wildcards, the most specific host
consistent           the check before a push
"""
