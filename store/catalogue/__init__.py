"""What is registered: organisations, sites, trials, devices, datastreams. Imports only `store.database`
and `insitu`.
"""
