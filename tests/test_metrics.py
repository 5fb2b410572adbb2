import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, ndcg_score

from toolgen.evaluation import metrics


def call(name, **arguments):
    return {"name": name, "arguments": arguments}


def heat(area, value):
    return call("setFloatProperty", propertyName="HVAC_TEMPERATURE_SET", areaId=area, value=value)


def fan(value):
    return call("setIntProperty", propertyName="HVAC_FAN_SPEED", areaId=1, value=value)


def shuffled_keys(value):
    """The same JSON value with every object's keys the other way round and whole numbers as floats."""
    if isinstance(value, dict):
        return {key: shuffled_keys(item) for key, item in reversed(value.items())}
    if isinstance(value, list):
        return [shuffled_keys(item) for item in value]
    return float(value) if type(value) is int else value


scalars = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.0, 1.0, 2.5, -1.0]) | st.sampled_from("ab1")
)
json_values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3)
)
any_call = st.builds(
    lambda name, arguments: {"name": name, "arguments": arguments},
    st.sampled_from(["f", "g"]),
    st.dictionaries(st.sampled_from(["propertyName", "areaId", "value"]), json_values, max_size=3),
)
any_calls = st.lists(any_call, max_size=4)
simple_calls = st.lists(
    st.builds(lambda n, a: {"name": n, "arguments": a}, st.sampled_from("fg"),
              st.dictionaries(st.sampled_from("ab"), st.integers(0, 1), max_size=2)),
    max_size=4,
)  # fmt: skip
tools = st.lists(st.sampled_from("abcdefgh"), unique=True)

# ------------------------------------------------------------------------------------------------ calls


def test_normalised_knows_numbers_from_booleans():
    assert metrics.normalised(heat(1, 21)) == metrics.normalised(heat(1, 21.0))
    assert metrics.normalised(heat(1, 1)) != metrics.normalised(heat(1, True))
    assert metrics.normalised(call("f", a=[0, {"b": 1}])) != metrics.normalised(call("f", a=[False, {"b": True}]))
    assert metrics.normalised(call("f", a="1")) != metrics.normalised(call("f", a=1))
    assert metrics.normalised(call("f", a=None)) != metrics.normalised(call("f"))


def test_normalised_keeps_kinds_apart():
    forms = [{}, [], "", None, 0, False, ["boolean", False], ["array"], [[]]]
    assert len({metrics.normalised(call("f", a=value)) for value in forms}) == len(forms)


def test_normalised_keeps_the_order_of_arrays_only():
    assert metrics.normalised(call("f", a=[1, 2])) != metrics.normalised(call("f", a=[2, 1]))
    assert metrics.normalised(call("f", a=1, b=2)) == metrics.normalised(call("f", b=2, a=1))


@given(any_call)
def test_normalised_is_hashable_and_blind_to_form(one):
    assert len({metrics.normalised(one), metrics.normalised(shuffled_keys(one))}) == 1


@given(any_calls, any_calls)
def test_exact_match_is_symmetric(a, b):
    assert metrics.exact_match(a, [b]) == metrics.exact_match(b, [a])


@given(any_calls, st.randoms())
def test_a_shuffled_copy_is_right_by_every_measure(calls, random):
    copy = [shuffled_keys(one) for one in calls]
    random.shuffle(copy)
    assert metrics.exact_match(copy, [calls])
    assert metrics.tools_match(copy, [calls])
    assert metrics.names_match(copy, [calls])
    assert metrics.argument_accuracy(copy, [calls]) == 1.0
    assert metrics.soft_accuracy(copy, [calls]) == 1.0


@given(simple_calls, simple_calls)
def test_measures_are_shares_and_only_the_exact_is_fully_soft_right(a, b):
    assert 0 <= metrics.argument_accuracy(a, [b]) <= 1
    assert 0 <= metrics.soft_accuracy(a, [b]) <= 1
    assert (metrics.soft_accuracy(a, [b]) == 1) == metrics.exact_match(a, [b])
    assert metrics.soft_accuracy(a, [b]) == pytest.approx(metrics.soft_accuracy(b, [a]))


def test_exact_match():
    both = [heat(1, 21), heat(4, 21)]
    assert metrics.exact_match([heat(4, 21.0), heat(1, 21.0)], [both])
    assert not metrics.exact_match([heat(1, 21)], [both])
    assert not metrics.exact_match([heat(1, 21), heat(1, 21)], [both])
    assert not metrics.exact_match([heat(1, 21), heat(1, 21)], [[heat(1, 21)]])  # once too often
    assert metrics.exact_match([fan(1)], [both, [fan(1)]])
    assert metrics.exact_match([], [[]])
    assert metrics.exact_match([], [[fan(1)], []])
    assert not metrics.exact_match([], [[fan(1)]])
    assert not metrics.exact_match([fan(1)], [[]])


def test_exact_match_ordered():
    both = [heat(1, 21), fan(2)]
    assert metrics.exact_match_ordered([heat(1, 21.0), fan(2)], [both])
    assert not metrics.exact_match_ordered([fan(2), heat(1, 21)], [both])
    assert metrics.exact_match_ordered([fan(True)], [[fan(1)]])  # Python's ==, as published
    assert metrics.exact_match_ordered([], [[]])


def test_tools_and_names_match():
    gold = [[heat(1, 21), heat(4, 21)]]
    other = call("setFloatProperty", propertyName="SEAT_HEAT", areaId=1, value=2.0)
    assert metrics.tools_match([heat(1, 5), heat(1, 6)], gold)
    assert not metrics.tools_match([heat(1, 21), other], gold)
    assert metrics.names_match([heat(1, 21), other], gold)
    assert not metrics.names_match([heat(1, 21)], gold)
    assert not metrics.names_match([heat(1, 21), fan(1)], gold)
    assert metrics.tools_match([call("beep", loud=True)], [[fan(1)], [call("beep")]])
    assert metrics.tools_match([], [[]]) and not metrics.tools_match([], gold)


def test_argument_accuracy():
    gold = [heat(1, 21), fan(2)]
    assert metrics.argument_accuracy([heat(1, 21)], [gold]) == 3 / 6
    assert metrics.argument_accuracy([fan(3), heat(4, 21)], [gold]) == 4 / 6
    assert metrics.argument_accuracy([heat(1, 21), fan(2), fan(3)], [gold]) == 1.0  # a surplus call is not punished
    assert metrics.argument_accuracy([fan(3)], [gold, [fan(4)]]) == 2 / 3  # the better of the two
    assert metrics.argument_accuracy([], [gold]) == 0.0
    assert metrics.argument_accuracy([fan(True)], [[fan(1)]]) == 2 / 3
    # Each call is used once, on the gold call that it fits best, whatever the order.
    assert metrics.argument_accuracy([heat(4, 25), heat(1, 20)], [[heat(1, 20), heat(4, 22)]]) == 5 / 6


def test_argument_accuracy_without_gold_arguments():
    assert metrics.argument_accuracy([], [[]]) == 1.0
    assert metrics.argument_accuracy([call("beep")], [[call("beep")]]) == 1.0
    assert metrics.argument_accuracy([fan(1)], [[]]) == 0.0


def test_soft_accuracy():
    gold = [heat(1, 21), fan(2)]
    assert metrics.soft_accuracy([heat(1, 21)], [gold]) == pytest.approx(1 / 2)
    assert metrics.soft_accuracy([heat(1, 22), fan(2)], [gold]) == pytest.approx((2 / 3 + 1) / 2)
    assert metrics.soft_accuracy([heat(1, 21), fan(2), fan(9)], [gold]) == pytest.approx(2 / 3)
    assert metrics.soft_accuracy([call("f", a=1, b=2)], [[call("f", a=1)]]) == pytest.approx(1 / 2)  # one invented
    assert metrics.soft_accuracy([call("getIntProperty", **fan(2)["arguments"])], [[fan(2)]]) == 0.0
    assert metrics.soft_accuracy([call("beep")], [[call("beep")]]) == 1.0
    assert metrics.soft_accuracy([], [[]]) == 1.0
    assert metrics.soft_accuracy([], [gold]) == 0.0
    assert metrics.soft_accuracy([fan(2)], [[]]) == 0.0
    assert metrics.soft_accuracy([fan(2)], [[], [fan(2)]]) == 1.0


def test_declared_match():
    gold = [call("book", city=["Paris", "paris"], nights=[2], view=["sea", ""])]
    assert metrics.declared_match([call("book", city="paris", nights=2.0)], gold)
    assert metrics.declared_match([call("book", city="Paris", nights=2, view="sea")], gold)
    assert not metrics.declared_match([call("book", city="Paris", nights=2, view="hill")], gold)
    assert not metrics.declared_match([call("book", city="Paris")], gold)  # nights may not be left out
    assert not metrics.declared_match([call("book", city="Paris", nights=2, pets=0)], gold)  # not declared
    assert not metrics.declared_match([call("hire", city="Paris", nights=2)], gold)
    assert not metrics.declared_match([call("book", city="Paris", nights=2)] * 2, gold)
    assert not metrics.declared_match([], gold)
    assert metrics.declared_match([], [])
    assert not metrics.declared_match([call("f", a=True)], [call("f", a=[1])])
    assert metrics.declared_match([call("f", a=[1, {"b": 2}])], [call("f", a=[[1.0, {"b": 2.0}]])])


def test_declared_match_finds_the_one_pairing_in_any_order():
    gold = [call("f", a=[1, 2, 3]), call("f", a=[1, 2]), call("f", a=[1])]
    for order in ([1, 2, 3], [3, 2, 1], [2, 1, 3], [1, 3, 2]):
        assert metrics.declared_match([call("f", a=value) for value in order], gold)
    assert not metrics.declared_match([call("f", a=3), call("f", a=3), call("f", a=1)], gold)


@given(any_calls, any_calls)
def test_declared_match_with_one_value_each_is_exact_match(calls, gold):
    declared = [call(one["name"], **{key: [value] for key, value in one["arguments"].items()}) for one in gold]
    assert metrics.declared_match(calls, declared) == metrics.exact_match(calls, [gold])


def test_alternatives_of_one_shape_are_declared_side_by_side():
    accept = [[fan(2)], [fan(3)], [fan(2), heat(1, 21)], []]
    declared = metrics.declared(accept, {})
    assert declared[0] == [call("setIntProperty", propertyName=["HVAC_FAN_SPEED"] * 2, areaId=[1, 1], value=[2, 3])]
    assert [len(calls) for calls in declared] == [1, 2, 0]
    matches = [any(metrics.declared_match(calls, gold) for gold in declared) for calls in ([fan(3)], [fan(4)], [])]
    assert matches == [True, False, True]


def test_alternatives_of_two_arguments_may_be_mixed_but_never_of_two_properties():
    declared = metrics.declared([[heat(1, 20)], [heat(4, 22)]], {})
    assert any(metrics.declared_match([heat(1, 22)], gold) for gold in declared)
    other = call("setIntProperty", propertyName="HVAC_SEAT_TEMPERATURE", areaId=1, value=3)
    declared = metrics.declared([[fan(5)], [other]], {})
    mixed = call("setIntProperty", propertyName="HVAC_SEAT_TEMPERATURE", areaId=1, value=5)
    assert not any(metrics.declared_match([mixed], gold) for gold in declared)


def test_a_default_may_be_left_out_and_said():
    schemas = {"book": {"properties": {"city": {"type": "string"}, "nights": {"type": "integer", "default": 1}}}}

    def fits(calls, gold):
        return any(metrics.declared_match(calls, declared) for declared in metrics.declared([gold], schemas))

    short = call("book", city="Oslo")
    said, long = (call("book", city="Oslo", nights=nights) for nights in (1, 2))
    assert fits([short], [said]) and fits([said], [short]) and fits([said], [said]) and fits([long], [long])
    assert not fits([short], [long]) and not fits([long], [short]) and not fits([call("book", nights=1)], [said])


@given(any_calls, any_calls)
def test_one_list_without_defaults_is_declared_as_it_is(calls, gold):
    (declared,) = metrics.declared([gold], {})
    assert metrics.declared_match(calls, declared) == metrics.exact_match(calls, [gold])


# -------------------------------------------------------------------------------------------- retrieval


def test_recall_and_reciprocal_rank():
    ranked = ["a", "b", "c", "d"]
    assert metrics.recall_at_k(ranked, ["b", "d"], 1) == 0.0
    assert metrics.recall_at_k(ranked, ["b", "d"], 2) == 0.5
    assert metrics.recall_at_k(ranked, ["b", "d", "z", "y"], 9) == 0.5
    assert metrics.recall_at_k(["a", "a"], ["a", "b", "b"], 2) == 0.5  # repeats do not count
    assert metrics.reciprocal_rank(ranked, ["d", "c"]) == 1 / 3
    assert metrics.reciprocal_rank(ranked, ["z"]) == 0.0
    assert metrics.reciprocal_rank([], ["z"]) == 0.0


def test_ndcg_by_hand():
    second = 1 / math.log2(3)
    assert metrics.ndcg_at_k(["a", "b"], ["a"], 1) == 1.0
    assert metrics.ndcg_at_k(["b", "a"], ["a"], 1) == 0.0
    assert metrics.ndcg_at_k(["b", "a"], ["a"], 3) == pytest.approx(second)
    assert metrics.ndcg_at_k(["a", "x"], ["a", "b"], 2) == pytest.approx(1 / (1 + second))
    assert metrics.ndcg_at_k(["a"], ["a", "b", "c"], 1) == 1.0  # no more than k can be found
    assert metrics.ndcg_at_k(["a", "a"], ["a", "b"], 2) == pytest.approx(1 / (1 + second))
    assert metrics.ndcg_at_k([], ["a"], 5) == 0.0


def test_ndcg_as_the_paper_counts_it():
    assert metrics.ndcg_at_k(["a", "x"], ["a", "b"], 2, paper_compat=True) == 1.0
    assert metrics.ndcg_at_k(["x", "y"], ["a", "b"], 2, paper_compat=True) == 0.0
    # A tool found below k still counts in the ideal, as it does in their script.
    assert metrics.ndcg_at_k(["a", "x", "b"], ["a", "b"], 2, paper_compat=True) == pytest.approx(
        1 / (1 + 1 / math.log2(3))
    )


@given(tools, st.sets(st.sampled_from("abcdefgh"), min_size=1), st.integers(1, 9))
def test_ndcg_agrees_with_scikit_learn(ranked, relevant, k):
    # Tools that were not ranked come behind k fillers, so that they are never among the first k.
    order = [*ranked, *range(k), *(set("abcdefgh") - set(ranked))]
    scores = [[-float(rank) for rank in range(len(order))]]
    truth = [[float(tool in relevant) for tool in order]]
    retrieved = [[float(tool in relevant and tool in ranked) for tool in order]]
    assert metrics.ndcg_at_k(ranked, relevant, k) == pytest.approx(ndcg_score(truth, scores, k=k))
    paper = metrics.ndcg_at_k(ranked, relevant, k, paper_compat=True)
    assert paper == pytest.approx(ndcg_score(retrieved, scores, k=k))


@given(st.permutations("abcdefgh"), st.sets(st.sampled_from("abcdefgh"), min_size=1), st.integers(1, 9))
def test_on_full_rankings_both_ideals_are_one(ranked, relevant, k):
    assert metrics.ndcg_at_k(ranked, relevant, k) == metrics.ndcg_at_k(ranked, relevant, k, paper_compat=True)


@given(st.sets(st.sampled_from("abcdefgh"), min_size=1), st.integers(1, 9))
def test_a_perfect_ranking_scores_exactly_one(relevant, k):
    assert metrics.ndcg_at_k(sorted(relevant), relevant, k) == 1.0


def test_retrieval_refuses_what_has_no_answer():
    for measure in (metrics.recall_at_k, metrics.ndcg_at_k):
        with pytest.raises(ValueError, match="no tool is relevant"):
            measure(["a"], [], 1)
        with pytest.raises(ValueError, match="at least 1"):
            measure(["a"], ["a"], 0)
    with pytest.raises(ValueError, match="no tool is relevant"):
        metrics.reciprocal_rank(["a"], [])


# --------------------------------------------------------------------------------------- classification


def test_macro_f1_by_hand():
    # a: precision 1, recall 1/2; b: precision 1/2, recall 1; c is never gold.
    assert metrics.macro_f1(list("aabb"), list("acbb")) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert metrics.macro_f1([], []) is None
    with pytest.raises(ValueError, match="1 rows against 2"):
        metrics.macro_f1(["a"], ["a", "b"])


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1))
def test_macro_f1_agrees_with_scikit_learn(rows):
    gold, predicted = zip(*rows, strict=True)
    assert metrics.macro_f1(gold, predicted) == pytest.approx(
        f1_score(gold, predicted, average="macro", zero_division=0)
    )
