"""Imported data for the tests of formats: drawn by hypothesis, names and texts as odd as files can hold them."""

from hypothesis import strategies as st

from toolgen.formats.imported import Imported, ordered

CHARACTER = st.characters(exclude_categories=("Cs",))
TEXT = st.text(CHARACTER, max_size=12)
QUERY = TEXT.filter(str.strip)
NAME = st.text(CHARACTER.filter(lambda character: character not in "<>"), max_size=8).filter(str.strip)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2), max_leaves=4,
)  # fmt: skip
SCHEMA = st.sampled_from([
    {"type": "string"},
    {"type": "number", "minimum": 0},
    {"type": ["string", "null"], "default": None},
    {"type": "string", "enum": ["a", "ü"]},
    {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "boolean"}}}},
])  # fmt: skip
PARAMETERS = st.dictionaries(NAME, SCHEMA, max_size=3).map(lambda named: {"type": "object", "properties": named})
SPLITS = (None, "train", "validation", "eval")


def functions(most: int = 3) -> st.SearchStrategy[list[dict]]:
    one = st.fixed_dictionaries({"name": NAME, "description": TEXT, "parameters": PARAMETERS})
    return st.lists(one, min_size=1, max_size=most, unique_by=lambda function: function["name"])


def calls(names: list[str], least: int = 0) -> st.SearchStrategy[list[dict]]:
    one = st.fixed_dictionaries({"name": st.sampled_from(names), "arguments": st.dictionaries(TEXT, VALUE, max_size=2)})
    return st.lists(one, min_size=least, max_size=2)


def histories(names: list[str]) -> st.SearchStrategy[list[dict]]:
    content = st.none() | TEXT
    user = st.fixed_dictionaries({"role": st.just("user"), "content": content})
    tool = st.fixed_dictionaries({"role": st.just("tool"), "content": content})
    said = st.fixed_dictionaries({"role": st.just("assistant"), "content": content})
    made = st.builds(lambda turn, called: turn | {"tool_calls": called}, said, calls(names, 1))
    return st.lists(user | tool | said | made, max_size=3)


def steps(names: list[str], least: int = 1) -> st.SearchStrategy[list[dict]]:
    one = st.builds(
        lambda thought, call, observation: {"thought": thought, **call[0], "observation": observation},
        TEXT, calls(names, 1), TEXT,
    )  # fmt: skip
    return st.lists(one, min_size=least, max_size=3)


@st.composite
def imports(draw, kinds=("answers", "accept", "relevant_tools", "steps"), history=True, splits=SPLITS, least_steps=1):
    """An `Imported` whose examples are of `kinds`, with or without history, and in `splits`."""
    tools = draw(functions())
    names = [tool["name"] for tool in tools]
    some = st.lists(st.sampled_from(names), min_size=1, max_size=2)
    examples = []
    for kind in draw(st.lists(st.sampled_from(kinds), max_size=4)) if kinds else ():
        example = {"query": draw(QUERY)}
        split = draw(st.sampled_from(splits))
        example |= {} if split is None else {"split": split}
        turns = draw(histories(names)) if history else []
        example |= {"history": turns} if turns else {}
        if kind == "answers":
            example["answers"] = draw(calls(names))
        elif kind == "accept":
            example["accept"] = draw(st.lists(calls(names), min_size=1, max_size=2))
        elif kind == "relevant_tools":
            example["relevant_tools"] = draw(some)
        else:
            example |= {"steps": draw(steps(names, least_steps)), "final_answer": draw(TEXT)}
        examples.append(ordered(example))
    return Imported(tools, examples)
