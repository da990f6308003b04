# `make demo` and `make test` set up everything they need in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)
export TQDM_MININTERVAL := 2

.PHONY: demo paper pdf test cluster-test lint bench docs

demo: $(STAMP)
	@mkdir -p demo
	@PYTHONPATH=workflow/plugins python -c "import warm; warm.main()" \
		--workflow-profile profiles/demo --logger lines 2> demo/run.log \
		|| { echo "The demo failed; all that was said: demo/run.log"; exit 1; }
	@echo; cat demo/reports/claims.txt; echo
	@echo "Reduced scale: what these numbers show is that all of it runs. At paper scale: reports/claims.txt"
	@echo "Report:   $(CURDIR)/demo/reports/index.html"
	@echo "Gallery:  $(CURDIR)/demo/reports/bridging_gallery.html"
	@echo "Runs:     source $(VENV)/bin/activate; mlflow ui --backend-store-uri sqlite:///demo/mlflow.db"

paper: $(STAMP)
	snakemake --cores all

pdf: $(STAMP)
	snakemake --cores 1 --allowed-rules report_pdf -- reports/report.pdf  # of the report as it stands

test: $(STAMP)
	pytest -n 2 --dist loadfile --no-loadscope-reorder

cluster-test: $(STAMP)
	pytest -n 0 --override-ini addopts="--import-mode=importlib -p no:cacheprovider" -rs tests/cluster

lint: $(STAMP)
	ruff check .
	ruff format --check .
	mypy
	lint-imports
	snakefmt --check -l 120 Snakefile workflow
	snakemake --lint

bench: $(STAMP)
	python -m bench

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict
	@echo "Documentation: $(CURDIR)/site/index.html"

$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)) and "Python 3.11 or 3.12 is needed: make PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV): some 7 GB of packages, a few minutes ..."
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt pip
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)
