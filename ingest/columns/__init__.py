"""Nearly every message is plain: its results become rows as they are. Such messages of a batch are read and
counted as columns, by NumPy, instead of as an object each; all others take the path of objects
(`ingest.reading`, `ingest.place`, `ingest.booking`) in the same transaction. The path of objects is the
reference: tests/ingest/test_twins.py plays the same messages through both and compares every row.

May import the rest of `ingest` except `ingest.booking` and what imports it.
"""
