"""The protocol as a form: two views of one draft, so that a form that is sent back untouched changes nothing.

`spec` lists the fields, `showing` turns a document into fields, `taking` brings what was typed back into it.
"""
