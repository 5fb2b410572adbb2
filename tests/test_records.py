import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolgen.records import BadRecord, dumps, finite, read_json, read_jsonl, write_json, write_jsonl, written_whole

rows = st.lists(st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.text(max_size=9)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows)
def test_rows_read_back(tmp_path, records):
    path = tmp_path / "rows.jsonl"
    assert write_jsonl(path, records) == len(records)
    assert list(read_jsonl(path)) == records
    assert path.read_bytes().count(b"\n") == len(records)


def test_one_record_a_line_in_plain_utf_8(tmp_path):
    path = tmp_path / "deep" / "rows.jsonl"
    write_jsonl(path, [{"b": "Brötchen\u2028\n", "a": [1, 2.5]}])
    assert path.read_bytes() == '{"b": "Brötchen\u2028\\n", "a": [1, 2.5]}\n'.encode()


def test_blank_lines_are_skipped_and_counted(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('\n{"a": 1}\n   \n{"a": 2}\n[]\n', encoding="utf-8")
    found = read_jsonl(path)
    assert [next(found), next(found)] == [{"a": 1}, {"a": 2}]
    with pytest.raises(BadRecord, match="rows.jsonl:5: expected an object, found list"):
        next(found)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"a": 1', "rows.jsonl:2: not JSON"),
        (b'{"a": 1} {"a": 2}', "rows.jsonl:2: not JSON"),
        (b'{"a": "\xff"}', "rows.jsonl:2: not UTF-8"),
        (b'{"a": "caf\xc3', "rows.jsonl:2: not UTF-8"),
        (b'"a"', "rows.jsonl:2: expected an object, found str"),
        (b"null", "rows.jsonl:2: expected an object, found NoneType"),
    ],
)
def test_a_torn_or_foreign_line_is_named(tmp_path, line, message):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line)
    with pytest.raises(BadRecord, match=message):
        list(read_jsonl(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b'{\n"a": 1,\n}', "one.json:3: not JSON"), (b"\xff", "one.json: not UTF-8"), (b"", "one.json:1: not JSON")],
)
def test_a_bad_document_is_named(tmp_path, content, message):
    path = tmp_path / "one.json"
    path.write_bytes(content)
    with pytest.raises(BadRecord, match=message):
        read_json(path)


def test_a_document_reads_back(tmp_path):
    write_json(tmp_path / "one.json", {"ä": [1, None]})
    assert read_json(tmp_path / "one.json") == {"ä": [1, None]}


def test_an_error_leaves_the_old_file(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [{"old": 1}])

    def interrupted():
        yield {"new": 1}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_jsonl(path, interrupted())
    assert list(read_jsonl(path)) == [{"old": 1}]
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_nothing_is_seen_before_the_end(tmp_path):
    path = tmp_path / "text"
    with written_whole(path) as file:
        file.write("half")
        file.flush()
        assert not path.exists()
    assert path.read_text(encoding="utf-8") == "half"


def test_dumps_is_stable():
    assert dumps({"b": 1, "a": ["ü", None, True, 21.0]}) == '{"b": 1, "a": ["ü", null, true, 21.0]}'


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_finite_refuses_what_json_does_not_know(text):
    with pytest.raises(ValueError, match="is not a finite number"):
        finite(text)
