"""The names by which `make import` and `make data-export` know the formats: each is a module with read and write."""

from . import bfcl, cartool, jsonl, mcp, metatool, openai, toolbench, toolgen_files

FORMATS = {
    "jsonl": jsonl, "openai": openai, "mcp": mcp, "metatool": metatool, "cartool": cartool,
    "toolbench": toolbench, "toolgen": toolgen_files, "bfcl": bfcl,
}  # fmt: skip
