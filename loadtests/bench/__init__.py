"""The side-by-side benchmark: our sidecar and the real Envoy, on one machine, in one run, alternating.

__main__   the command: options, verdict
plan       its parts, in their order
settings   what is compared: request paths, from the same pilot translation, with their budgets
sidecars   starts either engine on a setting's configuration, served over real xDS
reverse_proxy
           nginx and HAProxy, for comparison
origin     the server behind: answers a fixed response as cheaply as it can
round      one round of load, and the CPU taken meanwhile
load       the closed loop: connections, requests, latencies
clients    ... its connections, HTTP/1.1 and HTTP/2
h2         ... as much HTTP/2 as it and the origin need
idle       connections that do nothing
measure    CPU seconds and resident memory of a process, read from the kernel
table      figures to ratios, printed
"""
