"""Words of the bank that stand for each other."""

import random
from pathlib import Path

import pytest

from toolgen.bank import synonyms
from toolgen.bank.lines import compose
from toolgen.records import BadRecord


def read(tmp_path: Path, text: str) -> synonyms.Synonyms:
    (tmp_path / "synonyms.yaml").write_text(text, encoding="utf-8")
    return synonyms.read(compose(tmp_path / "synonyms.yaml"))


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("the kid's cold, my kid sleeps", "the kid's cold, my infant sleeps"),
        ("a kid and an umbrella", "an infant and a brolly"),
        ("kids, kid-size", "kids, kid-size"),
        ("half an umbrella", "half a brolly"),
    ],
)
def test_whole_words_are_swapped_and_the_article_with_them(tmp_path, text, becomes):
    alike = read(tmp_path, "- [kid, infant]\n- [umbrella, brolly]\n")
    assert synonyms.swapped(text, alike, 1.0, random.Random(0)) == becomes
    assert synonyms.swapped(text, alike, 0.0, random.Random(0)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- [kid, child]\n- [boy, kid]\n", "synonyms.yaml:2: 'kid' stands twice"),
        ("- [kid, child, kid]\n", "synonyms.yaml:1: 'kid' stands twice"),
        ("- [kid]\n", "synonyms.yaml:1: a group is two words or more"),
        ("kid: [child]\n", "synonyms.yaml:1: expected a list"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(BadRecord, match=message):
        read(tmp_path, text)
