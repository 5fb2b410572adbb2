"""The real script against a server of this machine that answers as the Hub does."""

import pytest
from conftest import ROOT, script
from fake_hub import TOKEN, FakeHub

from toolgen import records

CARD = "---\nlicense: apache-2.0\n---\n\n# cartool-toolgen\n"


@pytest.fixture
def project(tmp_path):
    """What the script reads, in small, beside the scripts."""
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    for path, content in {
        "models/export/README.md": CARD,
        "models/export/model.safetensors": "weights" * 1000,
        "models/export/decode.py": "print()",
        "data/refined/README.md": CARD,
        "data/refined/dataset.jsonl": "{}\n",
        "data/refined/rejected.jsonl": "{}\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    records.write_json(tmp_path / "models/export/toolgen.json", {"base_model": "from_scratch"})
    return tmp_path


@pytest.fixture
def hub():
    with FakeHub() as found:
        yield found


def push(project, hub, *arguments, token=TOKEN):
    return script(project, "push_hub", *arguments, HF_ENDPOINT=hub.url if hub else "", HF_TOKEN=token,
                  HF_HOME=str(project / "home"), HF_HUB_DISABLE_XET="1", HF_HUB_OFFLINE="")  # fmt: skip


def refused(done) -> str:
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.strip()]
    return line


def test_both_folders_are_uploaded_with_their_cards(project, hub):
    done = push(project, hub)
    assert done.returncode == 0, done.stderr
    model = hub.repositories["model", "me/cartool-toolgen"]
    data = hub.repositories["dataset", "me/cartool-toolgen-data"]
    assert model["visibility"] == data["visibility"] == "private"
    sent = {path.name: path.read_bytes() for path in (project / "models/export").iterdir()}
    assert model["files"] == sent
    assert data["files"] == {"README.md": CARD.encode(), "dataset.jsonl": b"{}\n"}


def test_a_name_and_the_public_are_asked_for(project, hub):
    assert push(project, hub, "--repo", "team/car", "--public").returncode == 0
    assert {name: found["visibility"] for (_, name), found in hub.repositories.items()} == {
        "team/car": "public", "team/car-data": "public"
    }  # fmt: skip


def test_the_base_models_licence_has_a_say_in_the_name(project, hub):
    records.write_json(project / "models/export/toolgen.json", {"base_model": "unsloth/Llama-3.2-1B"})
    assert "REPO=team/Llama-car" in refused(push(project, hub, "--repo", "team/car"))
    assert hub.repositories == {}


def test_no_token(project, hub):
    assert "set HF_TOKEN" in refused(push(project, hub, token=""))


def test_a_token_that_the_hub_does_not_take(project, hub):
    assert "did not take it" in refused(push(project, hub, "--repo", "me/car", token="hf_of_someone_else"))


def test_a_hub_that_does_not_answer(project, hub):
    hub.url = "http://127.0.0.1:9"
    assert "did not take it" in refused(push(project, hub, "--repo", "me/car"))


def test_a_name_that_is_none(project, hub):
    assert "did not take it" in refused(push(project, hub, "--repo", "no name/at all"))


@pytest.mark.parametrize(("missing", "target"), [("models/export", "make export"), ("data/refined", "make data")])
def test_nothing_to_upload(project, hub, missing, target):
    (project / missing / "README.md").unlink()
    assert target in refused(push(project, hub))
