from types import SimpleNamespace

import pytest

from toolgen import turns
from toolgen.conversations import CALL, encode_prompt, encode_text, reader, reader_for
from toolgen.numbers import verbatim

HISTORY = [
    {"role": "user", "content": "how is  Ulm\ntoday"},
    {"role": "assistant", "content": None, "tool_calls": [{"name": "weather", "arguments": {"city": "Ulm"}}]},
    {"role": "tool", "content": "rain"},
    {"role": "assistant", "content": "It rains."},
]


def test_a_query_alone_stays_as_it_is():
    assert turns.asked({"query": "open > the window"}) == "open > the window"
    assert turns.asked({"query": "open", "history": []}) == "open"


def test_earlier_turns_stand_before_the_query():
    step = {"name": "play", "arguments": {"title": "X"}, "thought": "now", "observation": "playing"}
    text = turns.asked({"query": "and Bonn?", "history": HISTORY}, [step])
    before, _, query = text.partition(turns.SEPARATOR)
    assert query == "and Bonn?"
    assert before == '> how is Ulm today < weather {"city": "Ulm"} = rain < It rains. < play {"title": "X"} = playing'


def test_of_too_much_the_oldest_is_cut_and_the_query_stays(small):
    row = {"query": "and Bonn?", "history": HISTORY * 20}
    alone = encode_prompt(row["query"], CALL, small.tokenizer, 64)
    ids = encode_prompt(turns.asked(row), CALL, small.tokenizer, 64)
    assert len(ids) == 64 and ids[-len(alone) :] == alone
    whole = encode_prompt(turns.asked(row), CALL, small.tokenizer, 4096)
    assert whole[-64:] == ids
    assert encode_prompt(turns.asked(row), CALL, small.tokenizer, len(alone)) == alone


@pytest.mark.parametrize(("said", "read"), [
    ("  Twenty\t°F,  please ", "Twenty °F, please"), ("72 degrees Fahrenheit", "72 degrees Fahrenheit"),
    ("u\u0308ber\u200b", "über"), ("½ “Zitat” 日本", "½ “Zitat” 日本"), ("", ""),
])  # fmt: skip
def test_tools_without_a_car_read_words_as_they_are(said, read):
    assert verbatim(said) == read == verbatim(read)


def test_the_tokenizer_remembers_how_to_read(small):
    assert reader(small.tokenizer)("Twenty") == reader_for(small.catalog)("Twenty") == "20"
    assert reader(SimpleNamespace(init_kwargs={"verbatim": True})) is verbatim
    assert encode_text("a", small.tokenizer)
