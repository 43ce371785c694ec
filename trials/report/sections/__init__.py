"""The sections of a report, one file each. A section takes a writer and adds blocks to it."""
