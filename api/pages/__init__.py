"""The pages, one file per noun: they ask the same functions as the routes and fill a template."""
