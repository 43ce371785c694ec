"""The part of a refused message that is kept: names, numbers, times and what a mapping asked for. Other texts
keep their length only. Pure; imports `insitu` and the other parts of `ingest` that read payloads.
"""
