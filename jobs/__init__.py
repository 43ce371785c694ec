"""Background jobs: quality checks, nightly evaluations, signed heads of the audit log, packed days. Imports
`trials`, `store` and `insitu`.
"""
