# The habits around the workflow. On a fresh machine: make run, make test.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
CORES ?= all
# The first interpreter that works and is 3.11 or 3.12 (a name on the PATH may be a shim without a Python behind it).
PYTHON ?= $(shell for name in python3.11 python3.12 python3 python; do \
  $$name -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$name && break; done)

COMPILE := $(BIN)/pip-compile --quiet --allow-unsafe --strip-extras --no-header --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate

# For make plan and make slurm: another experiment than config.yaml names, and for plan the profile.
EXPERIMENTS ?=
PROFILE ?=
CHOSEN = $(if $(EXPERIMENTS),--config 'experiments=[$(EXPERIMENTS)]')

.PHONY: run results compress tiny plan test test-long test-gpu test-slurm slurm slurm-check slurm-clean lint benchmark utilisation gpu-check peers publish options lock clean
.DEFAULT_GOAL := run

run: $(READY)  ## the showcase, nine variants of the default study, to its report
	$(BIN)/snakemake --cores $(CORES)

results: $(READY)  ## the default study with three seeds and the whole grid: the tables and pictures of the README
	$(BIN)/snakemake --cores $(CORES) --configfile config/config.yaml config/results.yaml --config 'experiments=[reviews]'

compress: $(READY)  ## your own table and model, to an answer: make compress DATA=reviews.csv [LOSE=1] [MS=3] [MB=20] [MINUTES=60] [MODEL=folder] [DEVICE=cpu-openvino] [NAME=mine] [TEXT=column] [LABEL=column]
	$(BIN)/encoder-compression compress $(DATA) --cores $(CORES) $(if $(LOSE),--lose $(LOSE)) $(if $(MS),--latency-ms $(MS)) $(if $(MB),--size-mb $(MB)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(MODEL),--model $(MODEL)) $(if $(DEVICE),--device $(DEVICE)) $(if $(NAME),--name $(NAME)) $(if $(TEXT),--text $(TEXT)) $(if $(LABEL),--label $(LABEL)) || [ $$? -eq 3 ]  # which says that the test split cannot tell of a clause

tiny: $(READY)  ## every path of the pipeline in about three minutes
	$(BIN)/snakemake --cores $(CORES) --config 'experiments=[tiny]'

plan: $(READY)  ## what a run would do and cost: make plan, make plan PROFILE=profiles/slurm EXPERIMENTS=tiny
	$(BIN)/encoder-compression plan $(if $(PROFILE),--profile $(PROFILE) --cores 1024,--cores $(CORES)) $(CHOSEN)

slurm: $(READY)  ## the study as SLURM jobs, ended if it waits ten minutes on nothing
	$(BIN)/encoder-compression slurm guard --idle-minutes 10 -- $(BIN)/snakemake --profile profiles/slurm $(CHOSEN)

slurm-check: $(READY)  ## look at the cluster and say what profiles/slurm/config.yaml needs
	$(BIN)/encoder-compression slurm check

slurm-clean: $(READY)  ## cancel the SLURM jobs that a killed run left working in this folder
	$(BIN)/encoder-compression slurm clean

test: $(READY)
	$(BIN)/python -m pytest

test-long: $(READY)  ## the tests that take a minute or more each: killed runs, a search, compiled code, ensembles, experiments that build on others
	$(BIN)/python -m pytest -m long

test-gpu: $(READY)  ## the tests that need an NVIDIA card, within 8 minutes; where there is none they are skipped
	$(BIN)/python -m pytest -m gpu -rs --numprocesses 0

test-slurm: $(READY)  ## a study and its faults on a SLURM cluster of this machine's own; as root
	$(BIN)/python tests/slurm/cluster.py start
	$(BIN)/python -m pytest tests/slurm/test_cluster_study.py tests/slurm/test_several_processes.py -m slurm --numprocesses 0 \
	  && $(BIN)/python -m pytest tests/slurm/test_faults.py -m "slurm and not alone" --numprocesses 3 --dist load \
	  && $(BIN)/python -m pytest tests/slurm/test_faults.py -m "slurm and alone" --numprocesses 0; status=$$?; \
	  $(BIN)/python tests/slurm/cluster.py stop; exit $$status

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/snakefmt --check Snakefile workflow/rules
	! $(BIN)/snakemake --lint 2>&1 | grep '^ *\* ' | grep -v 'conda environment or container'

benchmark: $(READY)  ## training throughput against a plain Trainer
	$(BIN)/python benchmarks/training_throughput.py

utilisation: $(READY)  ## the share of the machine's peak in matrix products that a distillation on a corpus uses
	$(BIN)/python benchmarks/flops_utilisation.py

gpu-check: $(READY)  ## training, soft targets and rows on a GPU against the CPU: one JSON in docs/results/gpu
	PYTHON=$(BIN)/python sh benchmarks/gpu_check.sh --output docs/results/gpu/$$(date +%F).json

peers: $(READY)  ## what a user would pick instead, against the default study: installs about 7 GB, measures, writes docs/peers.md
	$(BIN)/python benchmarks/peer_comparison.py

publish: $(READY)  ## tables and pictures of finished studies into the README and docs/studies.md
	$(BIN)/python docs/publish_results.py

options: $(READY)  ## docs/options.md from the schema
	$(BIN)/python docs/write_options.py

lock: $(READY)  ## requirements.in -> requirements.txt
	$(BIN)/python -m pip install --quiet pip-tools
	$(COMPILE) --output-file requirements.txt requirements.in
	sed -i 's/^torch==\([0-9.]*\)+cpu$$/torch==\1/' requirements.txt

clean:
	rm -rf $(VENV)

# An environment with the pins and this checkout's package, complete once its file 'ready' is there.
$(READY): requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Error: no Python 3.11 or 3.12 with venv found; install one (Debian: apt install python3-venv) or name it: make PYTHON=/path/to/python3.11"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
