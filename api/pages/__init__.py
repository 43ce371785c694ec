"""The pages, one file for each noun: they call the same functions as the routes and fill a template."""
