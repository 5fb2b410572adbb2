"""The model as a folder of its own: in other formats, with all that it takes to answer without this project."""
