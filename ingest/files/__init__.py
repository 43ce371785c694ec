"""A file from a logger or a spreadsheet → the messages that its devices would have sent → the same path as
live messages.

`mapping` holds the user's description of the file; `text` and `parquet` read it row by row; `layout` finds
out the meaning of the columns; `stamps` and `cells` read times and results; `messages` makes a message for
each row and device; `load` stores them batch by batch.
"""
