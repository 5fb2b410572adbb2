"""A tiny project in a folder of its own: the real scripts and phrases, a few hundred queries, a model of one layer."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would hand its children an ignored one

ROOT = Path(__file__).parents[1]
STAGES = ("generate", "refine", "prepare", "tool_memorization", "retrieval_training", "agent_tuning", "evaluate",
          "export", "add_tools")
ENVIRONMENT = os.environ | {
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    "OMP_WAIT_POLICY": "PASSIVE",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
}

TEMPERATURE, WINDOW = ("setFloatProperty", "HVAC_TEMPERATURE_SET"), ("setIntProperty", "WINDOW_POS")
SPOKEN = [  # query, kind, calls as (function and property, area, value)
    ("could you put my side on 21", "single", [(TEMPERATURE, 1, 21)]),
    ("twenty two and a half for the passenger", "single", [(TEMPERATURE, 4, 22.5)]),
    ("passenger window all the way down please", "single", [(WINDOW, 64, 10)]),
    ("shut my window", "single", [(WINDOW, 16, 0)]),
    ("both front windows shut", "group", [(WINDOW, 16, 0), (WINDOW, 64, 0)]),
    ("20 degrees here and shut the window", "parallel", [(TEMPERATURE, 1, 20), (WINDOW, 16, 0)]),
    ("what is the capital of peru", "no-call", []),
    ("tell me a joke about elephants", "no-call", []),
]


def spoken_rows() -> list[dict]:
    return [
        {"query": query, "kind": kind, "accept": [[
            {"name": function, "arguments": {"propertyName": name, "areaId": area, "value": value}}
            for (function, name), area, value in calls
        ]]}
        for query, kind, calls in SPOKEN
    ]  # fmt: skip


def tiny_params() -> dict:
    """The real params.yaml with a small dataset and a small model, every section and key of it kept."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["generate"] |= {"num_samples": 400}
    params["refine"] |= {"num_eval": 20, "num_validation": 10}
    params["model"] |= {
        "vocab_size": 600, "hidden_size": 32, "intermediate_size": 64, "num_layers": 1, "num_heads": 2
    }  # fmt: skip
    params["export"] |= {"rows": 20}
    for stage in ("tool_memorization", "retrieval_training", "agent_tuning", "add_tools"):
        params[stage] |= {"num_epochs": 1, "min_steps": 0}
    return params


def make_project(folder: Path) -> Path:
    """Lay out what git holds of the project, small: no output of any stage."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=ignored)
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    for name in ("phrases", "prompts"):
        shutil.copytree(ROOT / "data" / name, folder / "data" / name)
    for name in ("data/catalog.json", "data/general.jsonl", "data/examples.jsonl", "data/.gitignore",
                 "data/added/catalog.json", "data/added/examples.jsonl",
                 "models/.gitignore", ".gitignore", ".dvcignore", "dvc.yaml"):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    write_params(folder, tiny_params())
    spoken = "".join(json.dumps(row) + "\n" for row in spoken_rows())
    (folder / "data/spoken_car.jsonl").write_text(spoken, encoding="utf-8")
    return folder


def write_params(folder: Path, params: dict) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


def command(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run a command in `folder` with the `python` and `dvc` of this interpreter's environment."""
    return subprocess.run(
        words, cwd=folder, env=ENVIRONMENT | environment, capture_output=True, text=True, encoding="utf-8"
    )


def script(folder: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return command(folder, sys.executable, f"scripts/{name}.py", *arguments, **environment)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, without Python's own caches."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny project after every script has run once, by hand and in order. Tests read it and leave it as it is."""
    folder = make_project(tmp_path_factory.mktemp("tiny"))
    for stage in STAGES:
        done = script(folder, stage, PYTHONHASHSEED="1")
        assert done.returncode == 0, f"{stage}\n{done.stdout}\n{done.stderr}"
    return folder


@pytest.fixture(scope="session")
def catalog_path() -> Path:
    return ROOT / "data/catalog.json"


@pytest.fixture(scope="session")
def small_copy(catalog_path: Path):
    """A function that makes the same small model of random weights again, with the car's tool tokens in it."""
    from toolgen import catalog, checkpoints

    def make() -> checkpoints.Checkpoint:
        tools = catalog.load(catalog_path)
        texts = ["open the window", "set my seat to 21 degrees", "true front left rear right center all sunroof trunk"]
        shape = checkpoints.Shape(vocab_size=600, hidden_size=32, intermediate_size=64, num_layers=2, num_heads=2)
        model, tokenizer = checkpoints.from_scratch(texts * 10, tools, shape, seed=0)
        checkpoints.add_tool_tokens(model, tokenizer, tools)
        return checkpoints.Checkpoint(model, tokenizer, tools, checkpoints.Info("tool_memorization", "from_scratch"))

    return make


@pytest.fixture
def small(small_copy):
    """A small checkpoint of random weights."""
    return small_copy()


@contextmanager
def headless(hosts: str):
    """Headless Chromium that resolves hosts by these rules and logs what it asks for; in CI it has to be there."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        reason = "needs Debian's chromium and chromium-driver: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("--headless=new", "--disable-dev-shm-usage", "--hide-scrollbars",
                     f"--host-resolver-rules={hosts}", "--proxy-server=127.0.0.1:9"):  # fmt: skip
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(programs[1]))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def chromium():
    """Chromium that reaches this machine alone."""
    with headless("MAP * ~NOTFOUND , EXCLUDE 127.0.0.1") as driver:
        yield driver
