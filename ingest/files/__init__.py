"""A logger's or a spreadsheet's file → the messages that its devices would have sent → the same path as live
ones.

`mapping` is what a person says of the file, `text` and `parquet` read it row by row, `layout` finds out what
is where, `stamps` and `cells` read times and results, `messages` makes one message a row and device, `load`
keeps them batch by batch.
"""
