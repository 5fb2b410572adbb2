from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from toolgen.params import BadParams, read

ROOT = Path(__file__).parents[1]
DOCUMENT = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def mistakes(tmp_path, document: object) -> list[str]:
    path = tmp_path / "params.yaml"
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document), encoding="utf-8")
    with pytest.raises(BadParams) as error:
        read(path)
    lines = str(error.value).splitlines()
    assert all(line.startswith(str(path)) for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def changed(section: str, **values) -> dict:
    return DOCUMENT | {section: DOCUMENT[section] | values}


def test_the_projects_own_file_is_good_and_cannot_be_changed():
    options = read(ROOT / "params.yaml")
    assert options.catalog == DOCUMENT["catalog"]
    assert options.generate.num_samples == DOCUMENT["generate"]["num_samples"]
    with pytest.raises(ValidationError, match="frozen"):
        options.generate.num_samples = 1


def test_all_mistakes_are_told_at_once_by_full_name(tmp_path):
    document = changed("agent_tuning", num_epochs="four", turbo=True, warmup_ratio=2)
    del document["agent_tuning"]["seed"]
    del document["evaluate"]
    document["generte"] = {}
    assert sorted(mistakes(tmp_path, document)) == [
        "agent_tuning.num_epochs is 'four': input should be a valid number",
        "agent_tuning.seed is missing",
        "agent_tuning.turbo is not a parameter",
        "agent_tuning.warmup_ratio is 2: input should be less than or equal to 1",
        "evaluate is missing",
        "generte is not a parameter",
    ]


@pytest.mark.parametrize(("text", "hint"), [("3e-4", "3.0e-4"), ("1E5", "1.0e5"), ("-2e+3", "-2.0e+3")])
def test_what_yaml_reads_as_text_gets_a_hint(tmp_path, text, hint):
    [mistake] = mistakes(tmp_path, changed("agent_tuning", learning_rate=text))
    assert mistake == f"agent_tuning.learning_rate is the text '{text}', as YAML reads it: write {hint}"


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("generate", {"num_samples": -1}),
        ("generate", {"num_samples": 10.5}),
        ("generate", {"num_samples": True}),
        ("generate", {"num_samples": "10"}),
        ("generate", {"teacher": "parrot"}),
        ("model", {"lora_dropout": 1.01}),
        ("generate", {"seed": None}),
        ("model", {"lora_dropout": float("nan")}),
        ("model", {"hidden_size": 0}),
        ("agent_tuning", {"learning_rate": 0.0}),
        ("agent_tuning", {"learning_rate": float("inf")}),
    ],
)
def test_ill_typed_and_impossible_values_are_named(tmp_path, section, values):
    [mistake] = mistakes(tmp_path, changed(section, **values))
    assert mistake.startswith(f"{section}.{next(iter(values))} is ")


def test_whole_numbers_are_numbers(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(changed("agent_tuning", warmup_ratio=0, learning_rate=1)), encoding="utf-8")
    assert read(path).agent_tuning.warmup_ratio == 0


@pytest.mark.parametrize(
    ("text", "mistake"), [("", "the file is"), ("- 1", "the file is"), ("generate: 3", "is missing")]
)
def test_a_file_of_another_form_is_named(tmp_path, text, mistake):
    assert any(mistake in line for line in mistakes(tmp_path, text))


def test_what_is_no_yaml_names_its_line(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("catalog: [1\nmodel: {", encoding="utf-8")
    with pytest.raises(BadParams, match=r"params.yaml:\d+: not YAML"):
        read(path)


def test_another_folder_is_told_to_go_to_the_top(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadParams, match=f"no params.yaml in {tmp_path}: run from the project's top folder"):
        read()
