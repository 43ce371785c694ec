"""Reads for pages and the API, limited to what a viewer may see. Imports only the store and `insitu`."""
