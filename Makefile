# make demo: the whole road on the embedded corpus. make test: the fast tests. Both install into .venv first.
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install demo test test-slow hostile coverage lint types docs hooks audit clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/framegate demo --out demo

# A process for each core, at most four: every one of them imports torch and makes the small corpus for itself.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

test: install
	$(BIN)/python -m pytest $(PARALLEL) $(COVERAGE)

test-slow: install
	$(BIN)/python -m pytest $(PARALLEL) -m slow

# Each hostile folder of the tests with every verb that opens it; in the slow tests the verbs take turns.
hostile: install
	FRAMEGATE_EVERY_VERB=1 $(BIN)/python -m pytest $(PARALLEL) -m slow tests/recipes/hostile

# `make test`, and the lines that it reaches: of each library at least 90 in 100. That takes about a quarter longer.
LIBRARIES := media augment ssl finetune

coverage:
	$(MAKE) --no-print-directory test COVERAGE='--cov --cov-report='
	@failed=; for part in $(LIBRARIES); do \
	  echo "$$part:"; $(BIN)/coverage report --include="$$part/*" --skip-covered --fail-under=90 || failed="$$failed $$part"; \
	done; test -z "$$failed" || { echo "under 90%:$$failed"; exit 1; }

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Type checkers do not see the mapping of folders to packages: they get a tree of links that looks like it.
types: install
	rm -rf build/types && mkdir -p build/types/framegate
	ln -s ../../../framegate/__init__.py build/types/framegate/__init__.py
	for part in media augment ssl finetune recipes; do ln -s ../../../$$part build/types/framegate/$$part; done
	cd build/types && ../../$(BIN)/mypy --config-file ../../pyproject.toml --namespace-packages --explicit-package-bases \
	  -m framegate -p framegate.media -p framegate.augment -p framegate.ssl -p framegate.finetune -p framegate.recipes

# The site, build/docs/index.html. A warning, such as a link that leads nowhere, is an error.
docs: install
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env -b html docs build/docs

# Lint and types before each commit from now on.
hooks: install
	$(BIN)/pre-commit install

# What the package index knows of holes in the installed versions; it needs the network, so CI does without.
audit: install
	$(BIN)/python -m pip install --quiet --upgrade pip pip-audit
	$(BIN)/python -m pip_audit --skip-editable

clean:
	rm -rf $(VENV) build demo .coverage* *.egg-info
