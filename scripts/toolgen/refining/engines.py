"""Two ways to run verification and deduplication over many replies, with the same rows as their result.

`local` takes one reply after another. `on_ray` spreads the same two functions over a cluster: verification is a map,
deduplication a group-by over what must agree before words are compared. Ray is an optional requirement.
"""

import json
import logging
import os
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from ..records import dumps
from .verification import Rules, deduplicated, verified

BATCH = 1000  # replies that travel together
PARTS = 64  # groups are gathered in as many parts, since most groups are of a few rows


def local(replies: Iterable[dict], rules: Rules, threshold: float) -> Iterator[dict]:
    """Yield an example or a rejection for each reply, in their order."""
    return deduplicated((verified(reply, rules) for reply in replies), threshold)


def on_ray(replies: Iterable[dict], rules: Rules, threshold: float) -> Iterator[dict]:
    """The same rows as `local` yields, worked out on Ray: on the cluster that RAY_ADDRESS names, or on one of its own.

    Replies travel to the cluster as they are read, so its workers need no file of this machine's. Raises ImportError
    without Ray.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import pyarrow
    import ray.data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    if not ray.is_initialized():
        packages = [str(Path(__file__).parent)]  # workers elsewhere have no copy of this code
        ray.init(log_to_driver=False, logging_level="ERROR", runtime_env={"py_modules": packages})
    ray.data.DataContext.get_current().enable_progress_bars = False
    rest, sent, count = iter(replies), [], 0
    while batch := list(islice(rest, BATCH)):
        numbers = range(count, count + len(batch))
        sent.append(ray.put(pyarrow.table({"number": numbers, "row": [dumps(reply) for reply in batch]})))
        count += len(batch)
    if not sent:
        return
    rows = ray.data.from_arrow_refs(sent)
    rows = rows.map_batches(partial(_verified_table, rules=rules), batch_format="pyarrow", batch_size=BATCH)
    parts = rows.groupby("part", num_partitions=PARTS)
    rows = parts.map_groups(partial(_deduplicated_table, threshold=threshold), batch_format="pyarrow")
    for row in rows.sort("number").iter_rows():
        yield json.loads(row["row"])


def _verified_table(table, rules: Rules):
    import pyarrow

    rows = [verified(json.loads(reply), rules) for reply in table["row"].to_pylist()]
    parts = [zlib.crc32(row.get("group", row["id"]).encode()) % PARTS for row in rows]
    return pyarrow.table({"number": table["number"], "part": parts, "row": [dumps(row) for row in rows]})


def _deduplicated_table(table, threshold: float):
    import pyarrow

    table = table.sort_by("number")
    rows = deduplicated(map(json.loads, table["row"].to_pylist()), threshold)
    return pyarrow.table({"number": table["number"], "row": [dumps(row) for row in rows]})
