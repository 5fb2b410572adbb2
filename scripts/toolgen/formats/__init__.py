"""Data of other projects: each module reads one format into `imported.Imported`, and writes it out again."""
