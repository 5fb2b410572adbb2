"""The imported teacher: examples that others wrote, which `make import` has laid out, as replies."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from .. import schemas
from ..catalog import Catalog
from ..checks import IMPORTED
from ..formats import imported, reading
from ..records import BadRecord, dumps


def replies(path: Path, catalog: Catalog) -> Iterator[dict]:
    """Yield a reply for each example of a file: its text is the example as JSON, its split stands beside it.

    Raises BadRecord for an example of another form, with file and line, and for a tool whose arguments no decoder could
    follow: better now than after the training.
    """
    for tool in catalog.tools:
        if tool.vehicle_property is None:
            schemas.arguments_grammar(tool.name, tool.parameters)
    for place, example in reading.lines(path):
        imported.check(example, catalog, place)
        split = {"split": example.pop("split")} if "split" in example else {}
        text = dumps(imported.ordered(example))
        id_ = hashlib.sha1(dumps([text, split]).encode()).hexdigest()[:16]
        yield {"id": id_, "teacher": IMPORTED, "prompt_sha": "", "text": text} | split


def source_of(path: str) -> Path:
    """The file that `generate.source` names. Raises BadRecord where it holds no example."""
    source = Path(path)
    if not any(reading.lines(source)):
        raise BadRecord(f"{source} holds no examples: run `make import`, and set generate.source to what it wrote")
    return source
