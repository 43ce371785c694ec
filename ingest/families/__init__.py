"""Mappings of common devices, one TOML file each; read by `ingest.device_families`. Imports nothing."""
