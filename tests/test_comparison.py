"""What differs between two evaluations, by hand, and what is refused; then the real script in a real repository."""

import json
import subprocess
import sys

import pytest
from conftest import ROOT, command, make_project

from toolgen import catalog, records
from toolgen.evaluation import comparison

RIGHT, WRONG = "<<WINDOW_POS&&set>> front left 10", "<<WINDOW_POS&&set>> front left 0"
OPEN = {"name": "setIntProperty", "arguments": {"propertyName": "WINDOW_POS", "areaId": 16, "value": 10}}


@pytest.fixture(scope="module")
def tools(catalog_path):
    return catalog.load(catalog_path)


def gold(n: int, slice_: str = "spoken_dev") -> list[dict]:
    return [{"query": f"open it, {i}", "kind": "single", "accept": [[OPEN]], "slice": slice_} for i in range(n)]


def predicted(rows: list[dict], right: int, rank: int | None = 1) -> list[dict]:
    """Predictions of which the first `right` are right."""
    return [
        {"query": row["query"], "kind": row["kind"], "calls": RIGHT if i < right else WRONG}
        | ({} if rank is None else {"ranks": [rank]})
        for i, row in enumerate(rows)
    ]


def by_measure(found: list[comparison.Difference]) -> dict[str, comparison.Difference]:
    return {each.measure: each for each in found}


def test_a_large_difference_is_real_and_a_small_one_is_not(tools):
    rows = gold(60)
    found = by_measure(comparison.differences(rows, predicted(rows, 30), predicted(rows, 50), tools, seed=0))
    exact = found["exact_match"]
    assert (exact.slice, exact.n, exact.a, exact.b) == ("spoken", 60, 0.5, 50 / 60)
    assert exact.p == pytest.approx(4 * 2 / 2**20)  # the smallest of four; 20 rows differ, all one way
    assert exact.real and found["soft_accuracy"].real
    assert found["tool_accuracy"].a == found["tool_accuracy"].b == 1.0 and not found["tool_accuracy"].real
    small = by_measure(comparison.differences(rows, predicted(rows, 30), predicted(rows, 32), tools, seed=0))
    assert small["exact_match"].b > small["exact_match"].a and not small["exact_match"].real


def test_all_tests_together_are_corrected(tools):
    """One difference that would pass by itself does not pass among many."""
    slices = ("seen_phrasing", "heldout_phrasing", "heldout_combination", "spoken_dev", "spoken_noisy")
    rows = [row for name in slices for row in gold(20, name)]
    a, b = predicted(rows, 100), predicted(rows, 100)
    for row in a[:6]:
        row["calls"] = WRONG
    alone = comparison.differences(rows[:20], a[:20], b[:20], tools, seed=0)
    together = comparison.differences(rows, a, b, tools, seed=0)
    assert len(alone) == 4 and len(together) == 20
    first = next(each for each in together if each.slice == "seen_phrasing" and each.measure == "exact_match")
    assert first.p == pytest.approx(19 * 2 / 2**6)  # the second of twenty, behind the soft accuracy of the same rows
    assert by_measure(alone)["exact_match"].p == pytest.approx(3 * 2 / 2**6)


def test_ranks_are_compared_where_both_have_them(tools):
    rows = gold(40)
    found = by_measure(comparison.differences(rows, predicted(rows, 40, rank=3), predicted(rows, 40), tools, seed=0))
    assert (found["ndcg_at_5"].a, found["ndcg_at_5"].b) == (0.5, 1.0) and found["ndcg_at_5"].real
    older = comparison.differences(rows, predicted(rows, 40, rank=None), predicted(rows, 40), tools, seed=0)
    assert "ndcg_at_5" not in by_measure(older)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda rows: rows[:-1], "19 against 20; the others agree"),
        (lambda rows: [*rows, rows[0]], "21 against 20"),
        (lambda rows: rows[::-1], "row 1 is of another query"),
        (lambda rows: [*rows[:7], {"calls": ""}, *rows[8:]], "row 8 is of another query"),
    ],
)
def test_predictions_of_other_rows_are_refused(change, complaint):
    rows = gold(20)
    comparison.check_rows(rows, predicted(rows, 20), "here")
    with pytest.raises(comparison.OtherRows, match=f"here: .*{complaint}.*same data"):
        comparison.check_rows(rows, change(predicted(rows, 20)), "here")


# The script.


def git(folder, *words) -> str:
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    done = subprocess.run(["git", *author, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def lay(folder, rows, right, name="spoken_dev"):
    records.write_jsonl(folder / f"metrics/predictions/{name}.jsonl", predicted(rows, right))


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Two commits of predictions, and a third set beside them."""
    folder = make_project(tmp_path_factory.mktemp("history"))
    rows = gold(60)
    records.write_jsonl(folder / "data/prepared/evaluation.jsonl", rows)
    git(folder, "init", "-q")
    for right in (30, 50):
        lay(folder, rows, right)
        git(folder, "add", "-f", "metrics")
        git(folder, "commit", "-q", "-m", f"{right} right")
    lay(folder, rows, 52)
    return folder


def compare(folder, *words):
    return command(folder, "python", "scripts/compare.py", *words)


def refused(folder, *words) -> str:
    done = compare(folder, *words)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    (line,) = done.stderr.splitlines()
    return line


def test_two_revisions_and_the_working_directory(history):
    done = compare(history, "HEAD~1", "HEAD")
    assert done.returncode == 0, done.stderr
    assert "| spoken | 60 | exact_match | 50.0% | 83.3% | +33.3 | 0.0000 | better |" in done.stdout
    done = compare(history, "HEAD")
    assert "| spoken | 60 | exact_match | 83.3% | 86.7% | +3.3 |" in done.stdout and "better" not in done.stdout
    assert "B is the working directory" in done.stdout
    done = compare(history)
    assert "A is HEAD~1" in done.stdout and "better" in done.stdout
    assert "worse" in compare(history, "HEAD", "HEAD~1").stdout
    assert "better" not in compare(history, "HEAD", "HEAD").stdout


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        ((), ["HEAD~1"]),
        (("A=v1",), ["v1"]),
        (("A=HEAD; touch made", "B=$(shell touch made)"), ["HEAD; touch made", "$(shell touch made)"]),
        (("B=it's `touch made`",), ["HEAD~1", "it's `touch made`"]),
    ],
)
def test_make_passes_the_revisions_on_as_text(tmp_path, words, passed):
    for name in ("Makefile", "requirements.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(sys.executable)
    (tmp_path / ".venv/.installed").touch()
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/compare.py").write_text("import json, sys; print(json.dumps(sys.argv[1:]))", encoding="utf-8")
    done = command(tmp_path, "make", "--no-print-directory", *words, "compare", MAKEFLAGS="")
    assert json.loads(done.stdout.splitlines()[-1]) == passed, done.stderr
    assert not (tmp_path / "made").exists()


def test_what_cannot_be_compared_is_told_in_one_line(history):
    assert "git knows no revision 'nowhere'" in refused(history, "nowhere")
    assert "git knows no revision '--help^'" in refused(history, "HEAD", "--", "--help^")
    empty = git(history, "commit-tree", "-m", "nothing", git(history, "hash-object", "-t", "tree", "-w", "/dev/null"))
    assert f"no predictions in {empty}" in refused(history, empty)


def test_other_data_is_refused(history):
    rows = gold(60)
    rows[3]["query"] = "another one"
    path = history / "data/prepared/evaluation.jsonl"
    before = path.read_bytes()
    records.write_jsonl(path, rows)
    message = refused(history, "HEAD~1", "HEAD")
    assert "HEAD~1, metrics/predictions/spoken_dev.jsonl: predictions of other rows" in message and "row 4" in message
    path.write_bytes(before)


def test_a_slice_that_only_one_side_has_is_named(history):
    rows = gold(60)
    extra = gold(5, "spoken_noisy")
    path = history / "data/prepared/evaluation.jsonl"
    before = path.read_bytes()
    records.write_jsonl(path, [*rows, *extra])
    lay(history, rows, 52)
    lay(history, extra, 5, "spoken_noisy")
    assert "Not compared, since only one of them holds predictions: spoken_noisy." in compare(history, "HEAD").stdout
    (history / "metrics/predictions/spoken_dev.jsonl").unlink()
    assert "no slice in common" in refused(history, "HEAD")
    (history / "metrics/predictions/spoken_noisy.jsonl").unlink()
    assert "no predictions in the working directory" in refused(history, "HEAD")
    path.write_bytes(before)


def test_predictions_that_are_no_json_are_named(history):
    rows = gold(60)
    lay(history, rows, 52)
    with (history / "metrics/predictions/spoken_dev.jsonl").open("a") as file:
        file.write(json.dumps({"query": "x"})[:5])
    assert "spoken_dev.jsonl:61: not JSON" in refused(history, "HEAD")
    lay(history, rows, 52)
