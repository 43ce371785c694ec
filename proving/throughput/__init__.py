"""`insitu bench ingest`: from a filled session to the last commit, beside two yardsticks of the same run.

For each broker, number of results a message, and run: a fresh PostgreSQL (fsync on) and a fresh broker; two
persistent sessions, the ingestor's and a yardstick's, are made and left; the broker is filled; the yardstick
(paho with manual acknowledgement, receiving only) drains its session; the real ingestor, a process of its
own, drains the other, timed from the first message it receives to the commit of the last; then messages come
live at fixed rates. Before, the same number of rows goes into the same table by COPY. Dirty input is drained
beside clean input in servers of its own. Machines are noisy: the table shows medians, and ratios within a
run.
"""
