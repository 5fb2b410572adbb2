"""dvc.yaml and the Makefile held against the code, and what `dvc repro` does on a tiny project."""

import ast
import os
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, STAGES, command, contents, make_project, tiny_params, write_params

SCRIPTS = ROOT / "scripts"
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
PRODUCED = re.compile(r"(data|models|metrics|plots)/[\w*./-]+")
UNTRACKED = ("data/ledger/*", "metrics/timing/*", "models/.work")  # outputs of no stage
PATHS_BY_PARAMETER = {
    "${catalog}": "options.catalog",
    "${generate.offline.phrases}": "settings.offline.phrases",
    "${generate.offline.phrases}/manners.yaml": "options.generate.offline.phrases",
    "${generate.paid.prompts}": "paid.prompts",
    "${generate.source}": "settings.source",
    "${refine.spoken}": "settings.spoken",
    "${train.general_data}": "options.train",
    "profiles/${profile}.yaml": "stages.run(",  # where the sections are trained with that a profile is laid over
}
QUERY = """it's $(touch made) $(shell touch made) ${HOME} $$ `touch made` "hot" \\ # 100% 21°"""


def paths(entries: list) -> list[str]:
    """The paths of a stage's deps, outs, metrics or params, without their options."""
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def declared(stage: str) -> set[str]:
    """Paths that a stage reads or writes, without code and without those that are parameters."""
    found = PIPELINE["stages"][stage]
    every = paths(found["deps"]) + paths(found.get("outs", [])) + paths(found["metrics"])
    return {path for path in every if not path.startswith("scripts/") and "${" not in path}


def imports(path: Path) -> set[Path]:
    """The modules of the package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ImportFrom) or not (node.level or node.module.startswith("toolgen")):
            continue
        folder = path.parents[node.level - 1] if node.level else SCRIPTS
        module = folder.joinpath(*(node.module or "").split("."))
        found |= {module.with_suffix(".py")} | {module / f"{name.name}.py" for name in node.names}
    return {candidate for candidate in found if candidate.is_file()}


def code(stage: str) -> set[Path]:
    """A stage's script and all modules of the package that it comes to import."""
    reached, waiting = set(), [SCRIPTS / f"{stage}.py"]
    while waiting:
        path = waiting.pop()
        if path not in reached:
            reached.add(path)
            waiting += imports(path)
    return reached


def sections(stage: str) -> set[str]:
    """What a script uses of its parameters: every `options.<section>`."""
    tree = ast.parse((SCRIPTS / f"{stage}.py").read_text(encoding="utf-8"))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "options"
    }


def opened(path: Path, stage: str) -> set[str]:
    """Paths that a file names in its code: constants, and f-strings with `*` for what is filled in but the stage."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [
                part.value if isinstance(part, ast.Constant)
                else {"stage": stage}.get(ast.unparse(part.value), "*") if path.name == "stages.py"
                else "*"
                for part in node.values
            ]  # fmt: skip
            found.add("".join(parts))
            for part in node.values:
                part.value = None  # its pieces are no paths of their own
    found |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    named = {text for text in found if PRODUCED.fullmatch(text)}
    return {name for name in named if not any(fnmatch(name, pattern) for pattern in UNTRACKED)}


# dvc.yaml against the code.


def test_one_word_per_stage():
    assert tuple(PIPELINE["stages"]) == STAGES
    assert set(PARAMS) == {"profile", "catalog", "model", "train", *STAGES} - {"prepare"}  # which has nothing to choose
    for stage, found in PIPELINE["stages"].items():
        assert (SCRIPTS / f"{stage}.py").is_file()
        assert found["cmd"] == f"${{python}} scripts/{stage}.py"
        assert paths(found["metrics"]) == [f"metrics/{stage}.json"]
        assert found["desc"].endswith(".")


@pytest.mark.parametrize("stage", STAGES)
def test_deps_name_every_module_that_is_imported(stage):
    listed = [path for path in paths(PIPELINE["stages"][stage]["deps"]) if path.startswith("scripts/")]
    assert set(listed) == {str(path.relative_to(ROOT)) for path in code(stage)}
    assert listed == sorted(listed)


def test_packages_hold_no_code():
    """So that no stage needs to depend on an `__init__.py`."""
    for path in SCRIPTS.rglob("__init__.py"):
        assert all(isinstance(node, ast.Expr) for node in ast.parse(path.read_text(encoding="utf-8")).body)


@pytest.mark.parametrize("stage", STAGES)
def test_params_are_what_the_script_uses(stage):
    listed = PIPELINE["stages"][stage]["params"]
    assert {name.split(".")[0] for name in listed} == sections(stage)
    docstring = ast.get_docstring(ast.parse((SCRIPTS / f"{stage}.py").read_text(encoding="utf-8")))
    assert set(listed) == set(re.split(r",\s+", re.search(r"params\.yaml \((.+?)\)", docstring, re.DOTALL)[1]))


@pytest.mark.parametrize("stage", STAGES)
def test_paths_are_those_that_the_script_opens(stage):
    named = set().union(*(opened(path, stage) for path in code(stage)))
    listed = declared(stage)
    for path in listed:
        assert any(fnmatch(path, pattern) for pattern in named), f"{path} is in dvc.yaml alone"
    for pattern in named:
        inside = any(fnmatch(path, pattern) or pattern.startswith(f"{path}/") for path in listed)
        assert inside, f"{pattern} is in the code of {stage} alone"


@pytest.mark.parametrize("stage", STAGES)
def test_paths_that_are_parameters_are_deps(stage):
    source = (SCRIPTS / f"{stage}.py").read_text(encoding="utf-8")
    listed = {path for path in PIPELINE["stages"][stage]["deps"] if "${" in path}
    assert listed == {path for path, use in PATHS_BY_PARAMETER.items() if use in source}


def test_only_models_and_data_are_cached():
    for stage, found in PIPELINE["stages"].items():
        for entry in found.get("outs", []) + found["metrics"]:
            path, options = next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
            kept = {"persist": True} if stage == "export" else {}  # a run that fails leaves the last good one
            assert options == ({} if path.startswith(("data/", "models/")) else {"cache": False}) | kept, path


def test_plots_show_what_stages_write():
    written = {path for stage in STAGES for path in declared(stage) if path.startswith("plots/")}
    for plot in PIPELINE["plots"]:
        (definition,) = plot.values()
        assert all(any(path.startswith(f"{folder}/") for folder in written) for path in definition["y"])


# The Makefile.


def make(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run make as a user would, without what an outer make left in the environment."""
    inherited = {name: "" for name in ("MAKEFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "Q", "A", "B") if name in os.environ}
    return command(folder, "make", *words, **inherited | environment)


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def test_make_alone_lists_every_target():
    done = make(ROOT)
    assert done.returncode == 0
    assert set(re.findall(r"^make ([\w-]+)", done.stdout, re.MULTILINE)) == targets()
    wanted = {"setup", "data", "train", "evaluate", "predict", "all", "test", "lint", "clean"}
    assert wanted <= targets()


def test_stages_named_in_the_makefile_are_stages():
    named = re.findall(r"\$\(BIN\)/dvc repro (\w+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert named == ["prepare", "agent_tuning", "evaluate", "export"]


@pytest.fixture
def installed(tmp_path) -> Path:
    """A folder with the Makefile, in which setup has nothing left to do and `python` is this one."""
    for name in ("Makefile", "requirements.txt"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/python").symlink_to(Path(os.sys.executable))
    (tmp_path / ".venv/.installed").touch()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize("as_argument", (True, False), ids=("argument", "environment"))
def test_a_query_reaches_python_as_text(installed, as_argument):
    (installed / "scripts").mkdir()
    (installed / "scripts/predict.py").write_text('import os; print(os.environ["Q"])', encoding="utf-8")
    done = make(installed, "predict", f"Q={QUERY}") if as_argument else make(installed, "predict", Q=QUERY)
    assert done.stdout == f"{QUERY}\n", done.stderr
    assert not (installed / "made").exists()


def test_make_predict_needs_a_query(installed):
    done = make(installed, "predict")
    assert done.returncode != 0
    assert 'make predict Q="set my side to 21"' in done.stderr


def test_clean_leaves_what_cannot_be_made_again(installed):
    kept = ("data/ledger/a", "data/phrases/a", "data/catalog.json", "data/added/a", "secrets/a", ".dvc/cache/a",
            "models/own/a", "models/.gitignore", "metrics/evaluate.json", "plots/evaluate/confusion.csv")  # fmt: skip
    declared_ones = [path for stage in STAGES for path in declared(stage) if not path.startswith("data/added/")]
    made = [path for path in declared_ones if path.startswith(("data/", "models/"))]
    gone = [*made, "metrics/timing/evaluate.json", "models/.work/a"]
    for path in (*kept, *gone):
        (installed / path).parent.mkdir(parents=True, exist_ok=True)
        (installed / path).touch()
    assert make(installed, "clean").returncode == 0
    assert all((installed / path).exists() for path in kept)
    assert not any((installed / path).exists() for path in gone)


# What DVC does with it, on the tiny project.


def dvc(folder: Path, *words: str) -> str:
    done = command(folder, "dvc", *words, PYTHONHASHSEED="2")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ran(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A tiny project in a git repository of its own, after one `dvc repro`; and the stages that ran."""
    folder = make_project(tmp_path_factory.mktemp("reproduced"))
    (folder / ".dvc").mkdir()
    for name in ("config", ".gitignore"):
        (folder / ".dvc" / name).write_bytes((ROOT / ".dvc" / name).read_bytes())
    author = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    for words in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "A tiny project"]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder, ran(dvc(folder, "repro", "--no-run-cache"))


def outputs(folder: Path, *kinds: str) -> dict[str, bytes]:
    """What the stages of a project wrote under the folders `kinds`."""
    listed = {path for stage in STAGES for path in declared(stage) if path.startswith(kinds)}
    every = contents(folder)
    return {name: every[name] for name in every if any(name == p or name.startswith(f"{p}/") for p in listed)}


@pytest.mark.slow
def test_every_stage_runs_once_in_order(reproduced):
    _, stages = reproduced
    assert sorted(stages) == sorted(STAGES)
    line = STAGES[:-1]  # add_tools needs agent_tuning alone
    assert all(stages.index(before) < stages.index(after) for before, after in zip(line, line[1:], strict=False))
    assert stages.index("agent_tuning") < stages.index("add_tools")


@pytest.mark.slow
def test_two_folders_agree(reproduced, tiny):
    """One by hand and one by DVC, without a run cache and under another hash seed."""
    folder, _ = reproduced
    assert outputs(folder, "data/") == outputs(tiny, "data/")
    assert outputs(folder, "metrics/") == outputs(tiny, "metrics/")
    assert outputs(folder, "plots/") == outputs(tiny, "plots/")
    assert outputs(folder, "models/") == outputs(tiny, "models/")


@pytest.mark.slow
def test_a_second_repro_does_nothing(reproduced):
    folder, _ = reproduced
    before = contents(folder)
    output = dvc(folder, "repro")
    assert ran(output) == [] and "up to date" in output
    assert outputs(folder, "data/", "models/", "metrics/", "plots/").items() <= before.items()
    assert "up to date" in dvc(folder, "status")


@pytest.mark.slow
def test_git_holds_no_output_that_dvc_holds(reproduced):
    folder, _ = reproduced
    seen = set(command(folder, "git", "ls-files", "--others", "--exclude-standard").stdout.split())
    assert {"dvc.lock", "metrics/evaluate.json", "plots/evaluate/confusion.csv"} <= seen
    assert not [path for path in seen if not path.startswith(("dvc.lock", "metrics/", "plots/"))]
    assert not [path for path in seen if path.startswith("metrics/timing/")]
    assert command(folder, "git", "diff", "--name-only").stdout == ""


@pytest.mark.slow
def test_metrics_and_plots_are_shown(reproduced):
    folder, _ = reproduced
    assert "metrics/evaluate.json" in dvc(folder, "metrics", "show", "--md")
    shown = dvc(folder, "plots", "show", "--show-vega", "agent_tuning")
    assert '"loss"' in shown
    page = dvc(folder, "plots", "show").strip().removeprefix("file://")
    text = Path(page).read_text(encoding="utf-8")
    assert all(name in text for plot in PIPELINE["plots"] for name in plot)


@pytest.mark.slow
def test_a_changed_parameter_reruns_its_stage_and_those_after_it(reproduced):
    """Stands last: it changes the project."""
    folder, _ = reproduced
    params = tiny_params()
    params["agent_tuning"]["num_epochs"] = 2
    write_params(folder, params)
    assert sorted(ran(dvc(folder, "repro"))) == ["add_tools", "agent_tuning", "evaluate", "export"]
