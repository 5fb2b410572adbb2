"""Two processes on one machine make the steps that one makes; a killed script goes on where it was."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import ENVIRONMENT, contents, script
from training_project import TRAINED, lay_out


def losses(folder):
    with (folder / "plots/tool_memorization/plots/metrics/loss.tsv").open() as file:
        return [float(point["loss"]) for point in csv.DictReader(file, delimiter="\t")]


@pytest.mark.slow
def test_two_processes_give_the_losses_of_one(tmp_path):
    """At the same global batch, packed; without noise, which each process would draw for itself."""
    found = []
    for count in (1, 2):
        def change(params, count=count):
            params["train"] |= {"num_processes": count, "packing": True}
            params["tool_memorization"] |= {"num_epochs": 4, "split_words": 0.0, "word_dropout": 0.0}

        folder = lay_out(tmp_path / f"{count}", change)
        done = script(folder, "tool_memorization")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("tool_memorization: 80 examples, 20 steps") == 1  # one process reports
        found.append(losses(folder))
    assert len(found[0]) == 20 and found[0][-1] < found[0][0]
    assert found[1] == pytest.approx(found[0], rel=1e-4)


@pytest.mark.slow
def test_a_killed_script_ends_with_the_same_bytes(tmp_path):
    def change(params):
        params["train"] |= {"save_minutes": 0.0}
        params["tool_memorization"] |= {"num_epochs": 60}  # 300 steps, saved after every third

    whole, killed = (lay_out(tmp_path / name, change) for name in ("whole", "killed"))
    command = [sys.executable, "scripts/tool_memorization.py"]
    run = subprocess.Popen(command, cwd=killed, env=ENVIRONMENT, stdout=-3, stderr=-3)
    while run.poll() is None and not list(killed.glob("models/.work/*/latest")):
        time.sleep(0.01)
    time.sleep(0.2)
    os.kill(run.pid, signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL, "the script ended before it was killed"
    for folder in (whole, killed):
        done = script(folder, "tool_memorization")
        assert done.returncode == 0, done.stderr
    assert "train:   0%" not in done.stderr, "it began anew"
    for name in ("models", "plots"):
        assert contents(killed / name) == contents(whole / name)
    assert (killed / "metrics/tool_memorization.json").read_bytes() == (
        whole / "metrics/tool_memorization.json"
    ).read_bytes()
    assert not list(killed.glob("models/.work/*"))


FSDP = """\
compute_environment: LOCAL_MACHINE
distributed_type: FSDP
fsdp_config: {fsdp_version: 2, fsdp_auto_wrap_policy: TRANSFORMER_BASED_WRAP, fsdp_state_dict_type: SHARDED_STATE_DICT}
mixed_precision: 'no'
num_machines: 1
main_process_port: 0
num_processes: 2
use_cpu: true
"""


@pytest.mark.slow
def test_fsdp_where_accelerate_would_do_ddp_instead_is_refused(tmp_path):
    def change(params):
        params["train"] |= {"num_processes": 2, "accelerate_config": "fsdp.yaml"}
        for stage in TRAINED:
            params[stage] |= {"optimizer": "adamw"}

    folder = lay_out(tmp_path, change)
    (folder / "fsdp.yaml").write_text(FSDP)
    done = script(folder, "tool_memorization")
    assert done.returncode != 0
    assert "accelerate does on GPUs only" in done.stderr
    assert not (folder / "models/tool_memorization").exists()
