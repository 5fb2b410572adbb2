"""The prompt method: what is asked, and how an answer is read."""

import pytest
import torch

from toolgen import catalog
from toolgen.evaluation import prompting

FAN = {"name": "setIntProperty", "arguments": {"propertyName": "HVAC_FAN_SPEED", "areaId": 1, "value": 3}}
BEEP = {"name": "beep", "arguments": {}}
TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}{% if add_generation_prompt %}:{% endif %}"


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (prompting.written_out([FAN, BEEP]), [FAN, BEEP]),
        ("[]", []),
        ("There is nothing to do: []", []),
        ('Sure!\n```json\n[{"name": "beep", "arguments": {}}]\n```', [BEEP]),
        ('{"name": "beep", "parameters": {}}', [BEEP]),
        ('<call>{"name": "beep", "arguments": {}}</call> <call>{"name": "beep", "arguments": {}}', [BEEP] * 2),
        ('[1, 2] then {"name": "beep", "arguments": {}}', [BEEP]),
        ('{"name": "beep", "arguments": "loud"}', None),
        ('{"name": 3, "arguments": {}}', None),
        ("I would rather not.", None),
        ("", None),
        ("[" * 50_000, None),
        ('[{"name": "beep", "arguments": {"x": 1e999}}]', None),
    ],
)  # fmt: skip
def test_answers_are_read(text, calls):
    assert prompting.read_calls(text) == calls


def test_the_whole_catalog_stands_before_the_query(catalog_path):
    tools = catalog.load(catalog_path)
    text = prompting.instruction(tools)
    assert all(item.name in text for item in tools.properties)
    assert "left-hand-drive" in text
    ordinary = catalog.build([{"name": "beep", "description": "Make a noise", "parameters": {"type": "object"}}], [])
    assert "Make a noise" in prompting.instruction(ordinary) and "car" not in prompting.instruction(ordinary)


def test_a_chat_model_is_asked_and_its_answer_read(small):
    """A model of random weights, made to say one thing: the path from the template to the calls is real."""
    said = small.tokenizer("[]", add_special_tokens=False)["input_ids"] + [small.tokenizer.eos_token_id]
    ordinary = catalog.build([{"name": "beep", "parameters": {"type": "object"}}], [])
    small.tokenizer.chat_template = TEMPLATE
    read = []

    def speak(module, arguments, keywords, output):
        read.append(keywords["input_ids"].shape[1])
        step = sum(length == 1 for length in read[read.index(max(read)) :])
        output.logits = torch.full_like(output.logits, -100.0)
        output.logits[..., said[step % len(said)]] = 100.0

    handle = small.model.register_forward_hook(speak, with_kwargs=True)
    found = prompting.answers(small.model, small.tokenizer, ["hello"], ordinary)
    handle.remove()
    assert found == [[]]
    assert max(read) > 20


def test_a_model_that_rambles_makes_no_calls(small, monkeypatch):
    monkeypatch.setattr(prompting, "MAX_NEW_TOKENS", 4)
    small.tokenizer.chat_template = TEMPLATE
    ordinary = catalog.build([{"name": "beep", "parameters": {"type": "object"}}], [])
    assert len(prompting.answers(small.model, small.tokenizer, ["open the window"], ordinary)) == 1


def test_a_model_without_a_template_is_refused(small):
    with pytest.raises(prompting.NoChat, match="chat template"):
        prompting.answers(small.model, small.tokenizer, ["hello"], small.catalog)
