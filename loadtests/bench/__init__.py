"""The side-by-side benchmark: our sidecar and the real Envoy, on one machine, in one run, alternating.

__main__   the command: settings, rounds, verdict
settings   what is compared: plaintext and the mTLS pair, from the same pilot translation
sidecars   starts either engine on a setting's configuration, served over real xDS
origin     the server behind: answers a fixed response as cheaply as it can
load       the closed-loop client: requests, latencies
measure    CPU seconds and resident memory of a process, read from the kernel
table      figures to ratios, printed
"""
