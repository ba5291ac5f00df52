# Every target makes what it needs: the first call creates .venv, later calls reuse it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# DATA is a data set folder or a CSV manifest, or several with spaces between them; the others are
# optional. A single path may hold spaces itself.
SETS = $(if $(DATA),$(shell if [ -e "$(DATA)" ]; then printf '"%s"' "$(DATA)"; \
	else printf '"%s" ' $(DATA); fi))
FLAGS = $(SETS) $(if $(CONFIG),--config "$(CONFIG)") $(if $(RUN),--run "$(RUN)")
EXTRACTING = $(if $(KEEP_GOING),--keep-going)
COMPUTING = $(EXTRACTING) $(if $(DEVICE),--device "$(DEVICE)") $(if $(SKIP_UNAVAILABLE),--skip-unavailable)

.DEFAULT_GOAL := help
.PHONY: help setup hooks demo run check audit weights plan features train submit report score serve box \
  test test-slow notebooks lint lint-files docs dist package pictures scenarios \
  bench bench-features bench-gpu bench-plan bench-store bench-cluster bench-models bench-tables \
  bench-small bench-sense \
  bench-transfer bench-claims bench-claim-bias bench-ablation bench-goals clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  DATA=\"folder-or-manifest.csv …\"   CONFIG=best|classical|runner_up|file.yaml   RUN=runs/…"
	@echo "  DEVICE=auto|cpu|cuda|cuda:0,cuda:1   SKIP_UNAVAILABLE=1   KEEP_GOING=1"
	@echo "  SEIQA_CACHE, SEIQA_WORKERS and other settings: environment, see pipelines/settings.py"

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "seiqa needs Python 3.11 or later: make PYTHON=/path/to/python3.11 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.seiqa: $(VENV)/.python pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.seiqa
	$(INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.web: $(VENV)/.seiqa
	$(INSTALL) --editable '.[web]'
	@touch $@

setup: $(VENV)/.seiqa ## create .venv and install everything (the other targets do it by themselves)

hooks: $(VENV)/.dev ## have git check every commit: ruff, mypy, import contract (no network)
	$(BIN)/pre-commit install

# Without constructed orders, which would add two minutes.
demo: $(VENV)/.seiqa ## the whole pipeline, offline: scenes scored by people → features → train → submit → report
	$(BIN)/seiqa demo runs/demo-data
	SEIQA_ORDERS=false $(BIN)/seiqa run runs/demo-data --config offline
	$(BIN)/seiqa demo --truth runs/demo-data-offline

run: $(VENV)/.seiqa ## features, train, submit and report on DATA
	$(BIN)/seiqa run $(FLAGS) $(COMPUTING)

check: $(VENV)/.seiqa ## say what is in DATA and what is wrong with it
	$(BIN)/seiqa check $(SETS)

audit: $(VENV)/.seiqa ## say which split of DATA to trust, and what in it could mislead
	$(BIN)/seiqa audit $(FLAGS)

weights: $(VENV)/.seiqa ## fetch the pretrained weights that CONFIG needs (features does it by itself)
	$(BIN)/seiqa weights fetch $(if $(CONFIG),--config "$(CONFIG)")

plan: $(VENV)/.seiqa ## what the features of DATA will cost [DEVICE=h100|…]; computes nothing
	$(BIN)/seiqa plan $(SETS) $(if $(CONFIG),--config "$(CONFIG)") $(if $(DEVICE),--device "$(DEVICE)")

features: $(VENV)/.seiqa ## extract the features of DATA into the store (except those already there)
	$(BIN)/seiqa features $(FLAGS) $(COMPUTING)

train: $(VENV)/.seiqa ## honest estimate and final fit on DATA's labelled pairs
	$(BIN)/seiqa train $(FLAGS)

submit: $(VENV)/.seiqa ## score DATA's test pairs, write the challenge zip
	$(BIN)/seiqa submit $(FLAGS)

report: $(VENV)/.seiqa ## write the run's report.html
	$(BIN)/seiqa report $(FLAGS)

score: $(VENV)/.seiqa ## score a manifest: DATA=pairs.csv OUT=scores.csv [BUNDLE=runs/…/bundle]
	$(BIN)/seiqa score "$(DATA)" $(if $(BUNDLE),--bundle "$(BUNDLE)") --out "$(OUT)" $(EXTRACTING)

serve: $(VENV)/.web ## a page in the browser that scores pictures [BUNDLE=runs/…/bundle] [PORT=7860]
	$(BIN)/seiqa serve $(if $(BUNDLE),--bundle "$(BUNDLE)") $(if $(PORT),--port "$(PORT)")

box: $(VENV)/.seiqa ## train the built-in model again from TID2013, LIVE and RAID in SHARED [../shared/data]; ANCHORS=1: only what its scores mean
	$(BIN)/python -m pipelines.box "$(or $(SHARED),../shared/data)" $(if $(ANCHORS),--anchors)

# One thread per worker: more would only wait for each other. Each worker begins with one half of the
# tests, so that what a module's tests share is rarely made twice.
test: $(VENV)/.dev ## the tests, without the slow ones
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-slow: $(VENV)/.dev ## those that take minutes: kills at every write, flipped bits
	$(BIN)/pytest -m slow

notebooks: $(VENV)/.dev demo ## run the notebooks on the demo's run, in Jupyter's kernel, into runs/notebooks
	mkdir -p runs/notebooks
	cp notebooks/*.ipynb runs/notebooks
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --nbmake --overwrite --nbmake-timeout 120 \
	  --force-enable-socket runs/notebooks

lint: $(VENV)/.dev lint-files ## ruff, mypy, the import contract, container, workflow, citation
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lint-files: $(VENV)/.dev
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

docs: $(VENV)/.dev ## build the documentation into site/, with the notebooks as make notebooks ran them
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

dist: $(VENV)/.dev ## build sdist and wheel into dist/ [HOME_URL=https://…, for a release]
	$(BIN)/python -m tools.dist $(if $(HOME_URL),--home-url "$(HOME_URL)")

package: dist ## build them, and test the wheel in a fresh environment
	SEIQA_DIST=dist $(BIN)/pytest tests/test_package.py

pictures: $(VENV)/.dev ## retake the documentation's pictures and others into runs/pictures, after make demo; needs Chromium
	$(BIN)/python -m tools.pictures

scenarios: $(VENV)/.dev ## score the how-tos' scenarios anew, after the built-in model has changed
	$(BIN)/python -m tools.scenarios

bench: $(VENV)/.dev ## speed and memory of the classical features, as ratios
	$(BIN)/python benchmarks/bench_classical.py

bench-features: $(VENV)/.dev ## speed of the pretrained features against a one-image-at-a-time loop
	$(BIN)/python benchmarks/bench_features.py $(if $(DEVICE),--device "$(DEVICE)")

bench-gpu: $(VENV)/.dev ## classical metrics and transformers on a GPU: differences, speed, memory
	$(BIN)/python benchmarks/bench_gpu.py

bench-plan: $(VENV)/.dev ## the plan's costs against what is measured on this CPU
	$(BIN)/python benchmarks/bench_plan.py

bench-store: $(VENV)/.dev ## cost of looking up pairs in large feature stores
	$(BIN)/python benchmarks/bench_store.py

bench-cluster: $(VENV)/.dev ## speed on Ray clusters of this machine against one process
	$(BIN)/python benchmarks/bench_cluster.py

bench-models: $(VENV)/.dev ## cost of the model half against the runner-up's recipe
	$(BIN)/python benchmarks/bench_models.py

bench-tables: $(VENV)/.dev ## our stack and the runner-up's on a table of published metrics, DATA=table.csv
	$(BIN)/python benchmarks/bench_tables.py "$(DATA)"

bench-small: $(VENV)/.dev ## our stack and its ingredients on few references, DATA=table.csv
	$(BIN)/python benchmarks/small_data.py "$(DATA)" $(STUDY)

bench-transfer: $(VENV)/.dev ## trained on A, tested on B: COLLECTIONS="a=runs/a b=runs/b c=table.csv"
	$(BIN)/python benchmarks/transfer_matrix.py $(COLLECTIONS)

bench-claims: $(VENV)/.dev ## do claims made on few references hold on others? DATA=table.csv
	$(BIN)/python benchmarks/claims.py "$(DATA)" $(STUDY)

bench-claim-bias: $(VENV)/.dev ## why claims on few references are off, DATA=table.csv
	$(BIN)/python benchmarks/claim_bias.py "$(DATA)" $(STUDY)

bench-ablation: $(VENV)/.dev ## what each learner brings and what it costs, DATA=table.csv
	$(BIN)/python benchmarks/ablate_pool.py "$(DATA)" $(STUDY)

bench-goals: $(VENV)/.dev ## figures on kinds and collections never seen: SHARED=folder with data/
	$(BIN)/python benchmarks/shared_pictures.py "$(SHARED)/data" runs/goals
	$(BIN)/seiqa features runs/goals/tid.csv --config classical --run runs/goals/tid
	$(BIN)/seiqa features runs/goals/live.csv --config classical --run runs/goals/live
	$(BIN)/python benchmarks/goals.py tid=runs/goals/tid live=runs/goals/live \
	  tid_table="$(SHARED)/data/tables/tid2013_dev_metrics.csv" \
	  kadid_table="$(SHARED)/data/tables/kadid10k_metrics.csv"

bench-sense: $(VENV)/.seiqa ## share of common-sense relations that a model gets right [BUNDLE=runs/…/bundle]
	$(BIN)/seiqa sense $(if $(BUNDLE),--bundle "$(BUNDLE)")

clean: ## remove .venv, caches and what was built (runs/ stays)
	rm -rf $(VENV) dist site .pytest_cache .mypy_cache .ruff_cache .import_linter_cache *.egg-info
