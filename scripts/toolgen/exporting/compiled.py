"""The grammar of a checkpoint as plain data: what may follow what, and which calls the words stand for.

So whoever decodes needs neither the catalog nor this project: grammar.json is a table to walk through.
"""

from ..catalog import Tool
from ..conversations import CALL, reader
from ..decoding import MAX_PROMPT, Decoder
from ..grammar import Node, Schema


def grammar(decoder: Decoder) -> dict:
    """`decoder`'s grammar as an object for grammar.json.

    reader  which function of normalise.py gives a request the form that the model knows
    states  [{"next": {token id: state}, "done"}], the first being the start; one of `{"schema": text}` is where
            llguidance follows a JSON Schema. A state that is done may be followed by what the start has, or by the end.
    tools   {token id: {"name", "arguments"}} with, for a bound tool, `places` {words: area ids} and `value`, the type
            of the value behind them, or null
    """
    tokenizer, found = decoder.tokenizer, decoder.grammar
    return {
        "reader": reader(tokenizer).__name__,
        "begin": tokenizer.bos_token_id,
        "mark": tokenizer.convert_tokens_to_ids(CALL),
        "end": found.end,
        "max_prompt": MAX_PROMPT,
        "max_tokens": decoder.max_tokens,
        "tools": {str(index): _tool(tool) for index, tool in sorted(found.tools.items())},
        "states": _states(found.start),
    }


def _tool(tool: Tool) -> dict:
    item = tool.vehicle_property
    if item is None:
        return {"name": tool.function, "arguments": tool.bound}
    alone = {"": [item.areas[0].id]} if len(item.areas) == 1 else {}
    places = alone | {word: list(areas) for word, areas in item.places.items()}
    value = item.type if tool.writes else None
    return {"name": tool.function, "arguments": tool.bound, "places": places, "value": value}


def _states(start: Node) -> list[dict]:
    """Every state that can be reached, each once: places of one range share their values."""
    numbers = {start: 0}
    waiting, states = [start], []
    while waiting:
        state = waiting.pop(0)
        if isinstance(state, Schema):
            states.append({"schema": state.grammar()})
            continue
        for following in state.next.values():
            if following not in numbers:
                numbers[following] = len(numbers)
                waiting.append(following)
        states.append({"next": {str(index): numbers[after] for index, after in state.next.items()}, "done": state.done})
    return states
