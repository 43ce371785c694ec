"""Cases that people met, replayed."""
