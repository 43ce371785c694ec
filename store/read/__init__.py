"""What pages and the API read, limited to what a viewer may see. Imports only the store and `insitu`."""
