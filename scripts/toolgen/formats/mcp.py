"""What an MCP server answers to tools/list: {"tools": [{"name", "title", "description", "inputSchema"}], "nextCursor"}.

A file, or a folder with a file a page; with or without the JSON-RPC envelope {"result": ...}. It holds no examples.
"""

from collections import Counter
from pathlib import Path

from .. import records
from ..records import BadRecord
from . import reading
from .imported import Imported, merged, unread
from .parameters import tool
from .reading import bad


def read(source: Path) -> Imported:
    """Read the tools; one without a description is described by its title. Raises BadRecord."""
    left_out, notes, cut, found, going_on = Counter(), [], [], [], 0
    pages = sorted(source.glob("*.json")) if source.is_dir() else [source]
    for path in pages:
        page = reading.document(path)
        if isinstance(page, dict) and isinstance(page.get("result"), dict):
            page = page["result"]
        if not isinstance(page, dict) or not isinstance(page.get("tools"), list):
            raise bad(str(path), "what a server answers to tools/list, an object with tools", page)
        going_on += bool(page.get("nextCursor"))
        for place, record in reading.items(page["tools"], f"{path}: tools"):
            titled = record | {"description": record.get("description") or record.get("title")}
            titled.pop("title", None)
            found.append((place, tool(titled, place, left_out, cut, "inputSchema")))
    if not pages:
        raise BadRecord(f"{source}: expected the pages of tools/list as .json files, found none")
    if going_on >= len(pages):
        notes.append(f"every page names a nextCursor: what follows the last of these {len(pages):,} is missing")
    return Imported(merged(found, notes), [], notes + unread(left_out) + cut)


def write(imported: Imported, folder: Path) -> list[str]:
    """Write tools.json, one page; returns notes on what the form cannot hold."""
    tools = [
        {"name": each["name"], "description": each["description"], "inputSchema": each["parameters"]}
        for each in imported.functions
    ]
    records.write_json(folder / "tools.json", {"tools": tools})
    return [f"{len(imported.examples):,} examples left out"] if imported.examples else []
