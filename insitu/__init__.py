"""The shared vocabulary, the settings and the embedded servers.

`insitu.model`, `insitu.wire`, `insitu.errors`, `insitu.clock` and `insitu.language` import nothing of ours;
`insitu.settings` and `insitu.embedded` build on them. Every room may import this one.
"""
