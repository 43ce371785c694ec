"""The sections of a report, one file each: a writer in, blocks added."""
