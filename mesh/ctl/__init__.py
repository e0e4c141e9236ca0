"""meshctl, one file a verb.

main            the entry: the sidecar's light path, or everything else
app             the table of verbs
options         options that several verbs share
errors          how a verb fails: one line and an exit status
columns         kubectl's kind of table
api             client of the control plane's HTTP API
kinds           the kinds of objects, and what people call them
wait            what --wait says in the end
control_plane   run the control plane
apply, get, delete    configuration
proxy_status    how far each sidecar is
proxy_config    what one sidecar runs
sidecar         fetches that from its admin interface, in_container when it is only to be had there
config_dump, listener_rows, secret_rows    turn it into istioctl's tables (pure)
token, version
inject          sidecars for compose files
lab             the labs
"""
