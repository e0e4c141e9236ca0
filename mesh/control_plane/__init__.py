"""The control plane's process: galley, pilot, citadel and mixer behind three ports.

server       ``run``: puts the parts together, from the first file to the clean end
grpc_port    15010 and 15012: ADS, the certificate service, the access log service
http_port    15014: the application and its small pages
config_api   apply, read and delete configuration
debug_api    proxy status, what pilot would send, the registry
replies      JSON answers, and what is asked of every request
ports        ports that are taken
admin_token  who may change configuration
"""
