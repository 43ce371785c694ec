"""Launchers of the two servers that come as wheels: PostgreSQL, and the NATS server as MQTT broker.

Imports only the shared words. Each server is a direct child and ends with its supervisor. It runs as an
unprivileged account if root starts it, and touches nothing outside the data directory.
"""
