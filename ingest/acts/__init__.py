"""Acts of a company and the lab on devices, sensors, mappings and imports: one function each, which the
pages, the API and the command line call. It may import `store`, `insitu` and the rest of `ingest`.

A function takes who acts (`by`, as the audit log names it) and asks for no right; it writes its line of the
audit log, and the caller owns the transaction.
"""
