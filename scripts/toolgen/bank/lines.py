"""YAML that knows its file and line, so that a mistake in a file people write is reported where it stands."""

from pathlib import Path

import yaml

from ..records import BadRecord


class Node:
    """A YAML node that knows its file and line."""

    def __init__(self, node: yaml.Node, path: Path):
        self.node, self.path = node, path

    @property
    def where(self) -> str:
        return f"{self.path}:{self.node.start_mark.line + 1}"

    def mapping(self) -> dict[str, "Node"]:
        if not isinstance(self.node, yaml.MappingNode):
            raise BadRecord(f"{self.where}: expected a mapping")
        found: dict[str, Node] = {}
        for key, value in self.node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise BadRecord(f"{self.path}:{key.start_mark.line + 1}: expected a name before the colon")
            if key.value in found:
                raise BadRecord(f"{self.path}:{key.start_mark.line + 1}: {key.value!r} stands twice")
            found[key.value] = Node(value, self.path)
        return found

    def sections(self, names: tuple[str, ...], more: bool = False) -> dict[str, "Node"]:
        """A mapping that has all of `names`, and no other key unless `more` are welcome."""
        found = self.mapping()
        missing = [name for name in names if name not in found]
        if missing:
            raise BadRecord(f"{self.where}: {', '.join(missing)} is missing")
        unknown = [name for name in found if name not in names]
        if unknown and not more:
            raise BadRecord(f"{found[unknown[0]].where}: unknown key {unknown[0]!r}; known: {', '.join(names)}")
        return found

    def lines(self) -> list[tuple[str, str]]:
        """(text, file:line) of each item of a list of texts."""
        if not isinstance(self.node, yaml.SequenceNode) or not self.node.value:
            raise BadRecord(f"{self.where}: expected a list of phrases")
        items = [Node(item, self.path) for item in self.node.value]
        for item in items:
            if not isinstance(item.node, yaml.ScalarNode) or not item.node.value.strip(" "):
                raise BadRecord(f"{item.where}: expected a phrase in quotes")
        return [(item.node.value, item.where) for item in items]

    def items(self) -> list["Node"]:
        """The elements of a list that is not empty."""
        if not isinstance(self.node, yaml.SequenceNode) or not self.node.value:
            raise BadRecord(f"{self.where}: expected a list")
        return [Node(item, self.path) for item in self.node.value]

    def strings(self) -> list[str]:
        return [text for text, _ in self.lines()]


def compose(path: Path) -> Node:
    """The one document of a YAML file. Raises BadRecord, naming file and line."""
    written = path.read_bytes()
    try:
        node = yaml.compose(written.decode("utf-8"), Loader=yaml.CSafeLoader)
    except UnicodeDecodeError as error:
        line = written.count(b"\n", 0, error.start) + 1
        raise BadRecord(f"{path}:{line}: not UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise BadRecord(f"{path}:{line}: not YAML ({error.problem})") from None
    except yaml.reader.ReaderError as error:
        line = written.decode("utf-8").count("\n", 0, error.position) + 1
        raise BadRecord(f"{path}:{line}: not YAML ({error.reason})") from None
    if node is None:
        raise BadRecord(f"{path}:1: empty")
    return Node(node, path)
