"""The words everyone shares (bottom) and the command line that starts everything (top).

`insitu.model`, `insitu.wire`, `insitu.errors`, `insitu.clock` and `insitu.language` import nothing of ours;
`insitu.settings` and `insitu.embedded` build on them; `cli` may import every room, and nobody imports it.
"""
