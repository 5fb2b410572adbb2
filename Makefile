# From a bare machine to a trained, evaluated model: `make all`. Works with GNU make 3.81 and later.
# What changes a result is no variable here but a parameter in params.yaml: make's variables are invisible to DVC.

# PYTHON makes the virtual environment. TORCH_INDEX is one more index of wheels, for the CPU build of torch:
# make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu
PYTHON ?= python3
TORCH_INDEX ?=

BIN := .venv/bin
INSTALLED := .venv/.installed

export PATH := $(CURDIR)/$(BIN):$(PATH)
export DO_NOT_TRACK := 1
export DVC_NO_ANALYTICS := 1
export HF_HUB_DISABLE_TELEMETRY := 1

# The query reaches Python through the environment alone, and so do the revisions to compare. `value` keeps make from
# expanding a `$` in it, and no recipe names it, so that quotes, $() and backticks are text.
override Q := $(value Q)
override A := $(value A)
override B := $(value B)
export Q A B

.DEFAULT_GOAL := help
.PHONY: help setup data import data-export train evaluate scores compare report predict export push-hub serve demo all test lint bench-refine bench-generate bench-train bench-decoding bench-serve bench-tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' Makefile

setup: $(INSTALLED) ## install the requirements into .venv (about 3 minutes, 2.1 GB with the CPU build of torch)
	@git rev-parse -q --verify HEAD >/dev/null 2>&1 || echo "not in a git repository with a commit, which DVC needs:" \
	    "clone the project, or run git init && git add . && git commit" >&2

data: setup ## write, check and lay out the training data: dvc repro prepare (about 2 minutes)
	$(BIN)/dvc repro prepare

import: setup ## take over tools and examples: make import FORMAT=jsonl FROM=folder [TO=data/imported] (seconds)
	@test -n "$(FORMAT)" && test -n "$(FROM)" || { echo 'make import needs a format and a source: make import FORMAT=jsonl FROM=folder' >&2; exit 1; }
	@$(BIN)/python scripts/import_data.py --format "$(FORMAT)" --from "$(FROM)" $(if $(TO),--to "$(TO)")

data-export: setup ## write the dataset, or an import, in another form: make data-export FORMAT=cartool [FROM=folder] (seconds)
	@test -n "$(FORMAT)" || { echo 'make data-export needs a form: make data-export FORMAT=cartool' >&2; exit 1; }
	@$(BIN)/python scripts/export_data.py --format "$(FORMAT)" $(if $(FROM),--from "$(FROM)") $(if $(TO),--to "$(TO)")

train: setup ## train the three stages (about 15 minutes); with PROFILE=llama-3.2-1b-qlora as an experiment on that base
ifdef PROFILE
	$(BIN)/dvc exp run -S 'profile=$(PROFILE)' agent_tuning
else
	$(BIN)/dvc repro agent_tuning
endif

evaluate: setup ## score the models, trained anew where they are stale: dvc repro evaluate (about 18 minutes)
	$(BIN)/dvc repro evaluate

scores: setup ## print the scores of the last evaluation as a table (a second)
	@$(BIN)/python scripts/scores.py

report: setup ## write reports/report.html: scores, curves, confusion, coverage, what changed, as one page (a second)
	@$(BIN)/python scripts/report.py

compare: setup ## say which differences between two evaluations are real: make compare A=<rev> B=<rev> (seconds)
	@$(BIN)/python scripts/compare.py "$${A:-HEAD~1}" $${B:+"$$B"}

predict: setup ## print the call of one query: make predict Q="set my side to 21" (about 10 seconds)
	@test -n "$$Q" || { echo 'make predict needs a query: make predict Q="set my side to 21"' >&2; exit 1; }
	@$(BIN)/python scripts/predict.py

export: setup ## write the model as a folder of its own to models/export: dvc repro export (half a minute beside training)
	$(BIN)/dvc repro export

push-hub: setup ## upload models/export and data/refined to the Hugging Face Hub: make push-hub [REPO=name/model] [PUBLIC=1]
	@$(BIN)/python scripts/push_hub.py $(if $(REPO),--repo "$(REPO)") $(if $(PUBLIC),--public)

serve: setup ## serve the trained model behind OpenAI's chat protocol: make serve [MODEL=folder] [PORT=8000]
	@$(BIN)/python scripts/serve.py $(if $(MODEL),--model "$(MODEL)") $(if $(PORT),--port "$(PORT)")

demo: setup ## try the trained model on a page with a simulated car: make demo [MODEL=folder] [PORT=8001]
	@$(BIN)/python scripts/demo.py $(if $(MODEL),--model "$(MODEL)") $(if $(PORT),--port "$(PORT)")

all: setup ## everything: setup, the whole pipeline, the scores as a table (under 30 minutes)
	$(BIN)/dvc repro
	@$(BIN)/python scripts/scores.py

test: setup ## run every test (about 25 minutes)
	$(BIN)/python -m pytest

lint: setup ## check the code with ruff (a second)
	$(BIN)/ruff check .

bench-refine: setup ## measure speed and memory of refine, to a million rows (about 50 minutes, 40 GB of disk)
	$(BIN)/python bench/refine.py

bench-generate: setup ## measure speed and memory of a paid teacher against a local server (about 4 minutes)
	$(BIN)/python bench/generate.py

bench-train: setup ## measure the training loop against the seed's recipe and TRL's defaults (about 4 minutes)
	$(BIN)/python bench/train.py

bench-decoding: setup ## measure what decoding pays for being bound to the catalog (about 5 minutes, 4 GB of memory)
	$(BIN)/python bench/decoding.py

bench-serve: setup ## measure requests per second and latency of make serve at 1, 8 and 64 clients (about 3 minutes)
	$(BIN)/python bench/serve.py

bench-tools: setup ## measure what 100 to 100,000 tools cost: tokens, rows, grammar, a step, a ranking (about 3 minutes)
	$(BIN)/python bench/tools.py

clean: ## remove data, models and readings that the pipeline wrote; never data/ledger, secrets or DVC's cache
	rm -rf data/generated data/refined data/prepared metrics/timing models/.work reports
	rm -rf models/tool_memorization models/retrieval_training models/agent_tuning models/export models/add_tools

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or later is needed, $(PYTHON) is " + sys.version.split()[0] + ": make setup PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -r requirements.txt $(if $(TORCH_INDEX),--extra-index-url "$(TORCH_INDEX)")
	touch $@
