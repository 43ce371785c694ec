"""The catalogue: organisations, sites, trials, devices, datastreams. Imports only `store.database` and
`insitu`.
"""
