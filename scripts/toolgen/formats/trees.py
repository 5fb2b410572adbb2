"""ToolBench's answer trees: what functions and arguments are called in them, and the one way that leads to an answer.

A tree's nodes are of the types Thought, Action (the name of a function) and Action Input (its arguments as JSON text,
beside the observation). A way ends with the function Finish, which gives an answer or gives up and starts again.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..records import dumps
from .reading import bad, items

FINISH = "Finish"
LONGEST = 64  # characters of a function's name; ToolBench keeps the last ones
RESERVED = ("from", "class", "return", "false", "true", "id", "and")  # "is_" goes before these
OTHER = re.compile(r"[^\u4e00-\u9fa5a-zA-Z0-9_^]")
SUBFUNCTION = re.compile(r'subfunction for tool "(.*?)", you can use this tool\.')
DESCRIBED = re.compile(r'The description of this function is: "(.*)"\s*$', re.DOTALL)
BROKEN_ANSWER = re.compile(r'"give_answer".*"final_answer"\s*:\s*"(.*?)"?\s*\}?\s*$', re.DOTALL)


@dataclass
class Tree:
    """What is wanted of a tree. `steps` are ToolBench's own, {"thought", "function", "input", "observation"}."""

    place: str
    query: str
    functions: list[dict]
    steps: list[dict] = field(default_factory=list)
    final_answer: str | None = None  # None where no way leads to one


def read(document: dict, place: str) -> Tree:
    """Raises BadRecord."""
    generated, tree = document["answer_generation"], document.get("tree")
    if not isinstance(generated, dict) or not isinstance(generated.get("query"), str) or not generated["query"].strip():
        raise bad(place, "answer_generation with a query", generated)
    if not isinstance(tree, dict) or not isinstance(tree.get("tree"), dict):
        raise bad(place, "a tree", tree)
    functions = [function for _, function in items(generated.get("function"), f"{place}: function")]
    if not all(isinstance(function.get("name"), str) for function in functions):
        raise bad(place, "a name for each function", functions)
    found = Tree(place, generated["query"].strip(), [one for one in functions if one["name"] != FINISH])
    answered = [way for way in _ways(tree["tree"], place) if _answer(way) is not None]
    if answered:
        way = next((way for way in answered if way[-1]["description"] == generated.get("final_answer")), answered[0])
        found.steps, found.final_answer = list(_steps(way[:-2])), _answer(way)
    return found


def _ways(root: dict, place: str) -> Iterator[list[dict]]:
    """Every way from the root to a leaf, depth first."""
    waiting = [([], root)]
    while waiting:
        before, node = waiting.pop()
        if not isinstance(node.get("node_type"), str) or not isinstance(node.get("description"), str):
            raise bad(place, "a node of the tree with node_type and description, both texts", node)
        way = [*before, node]
        children = [child for _, child in items(node.get("children", []), f"{place}: children")]
        if not children:
            yield way
        waiting += [(way, child) for child in reversed(children)]


def _answer(way: list[dict]) -> str | None:
    """What the way's end gives as the answer; None where it gives up, or has no end."""
    if len(way) < 2 or way[-1]["node_type"] != "Action Input" or way[-2]["description"] != FINISH:
        return None
    text = way[-1]["description"]
    try:
        given = json.loads(text, strict=False)
    except ValueError:  # ToolBench, too, takes an answer out of broken JSON
        broken = BROKEN_ANSWER.search(text)
        return broken[1] if broken else None
    answered = isinstance(given, dict) and given.get("return_type") == "give_answer"
    return given["final_answer"] if answered and isinstance(given.get("final_answer"), str) else None


def _steps(way: list[dict]) -> Iterator[dict]:
    thoughts, function = [], ""
    for node in way[1:]:
        if node["node_type"] == "Thought":
            thoughts.append(node["description"])
        elif node["node_type"] == "Action":
            function = node["description"]
        elif node["node_type"] == "Action Input":
            observation = node.get("observation")
            yield {
                "thought": "\n".join(thoughts),
                "function": function,
                "input": node["description"],
                "observation": observation if isinstance(observation, str) else "",
            }
            thoughts = []


def arguments(text: str) -> dict | None:
    """A step's input; None where it is not a JSON object."""
    try:
        given = json.loads(text, strict=False)
    except ValueError:
        return None
    return given if isinstance(given, dict) else None


def document(query: str, functions: list[dict], steps: list[dict], final_answer: str) -> dict:
    """The answer tree of one way: what `read` takes, with `steps` in ToolBench's own form."""
    end = dumps({"return_type": "give_answer", "final_answer": final_answer})
    root = node = _node("Action Input", "")
    for step in (*steps, {"thought": "", "function": FINISH, "input": end, "observation": ""}):
        if step["thought"]:
            node = _below(node, _node("Thought", step["thought"]))
        node = _below(node, _node("Action", step["function"]))
        node = _below(node, _node("Action Input", step["input"]) | {"observation": step["observation"]})
    generated = {"valid_data": True, "query": query, "final_answer": end, "finish_type": "give_answer"}
    return {"win": True, "tree": {"tree": root}, "answer_generation": generated | {"function": functions}}


def _node(node_type: str, description: str) -> dict:
    return {"node_type": node_type, "description": description, "children": []}


def _below(parent: dict, child: dict) -> dict:
    parent["children"].append(child)
    return child


def function_names(names: Iterable[str]) -> dict[str, str]:
    """What each tool of `names` ("tool&&api") is called in a tree -> its name.

    Of tools that fall together, the first in the alphabet has ToolBench's name, the others get a number behind it.
    """
    found: dict[str, str] = {}
    names = sorted(set(names))
    for name in names:
        found.setdefault(_function_name(name), name)
    for name in names:
        plain = called = _function_name(name)
        number = 1
        while found.setdefault(called, name) != name:
            number += 1
            called = f"{plain}_{number}"
    return found


def _function_name(name: str) -> str:
    tool, _, api = name.partition("&&")
    return f"{parameter_name(api)}_for_{_standard(tool)}"[-LONGEST:]


def parameter_name(name: str) -> str:
    """What a parameter is called in a tree."""
    name = _standard(name)
    return f"is_{name}" if name in RESERVED else name


def _standard(name: str) -> str:
    name = re.sub("_+", "_", OTHER.sub("_", name)).lower().strip("_")
    return f"get_{name}" if name[:1].isdigit() else name


def own_name(function: dict, place: str) -> str:
    """The name "tool&&api" of a function that is known from its tree alone, both in ToolBench's spelling."""
    name, said = function["name"], SUBFUNCTION.search(function.get("description") or "")
    tool = said[1] if said else name.rpartition("_for_")[2]
    api = name.removesuffix(f"_for_{tool}")
    if not tool or not api or "_for_" not in name and not said:
        raise bad(place, "a function named api_for_tool", name)
    return f"{tool}&&{api}"


def own_description(function: dict) -> str:
    said = DESCRIBED.search(function.get("description") or "")
    return said[1].strip() if said else ""
