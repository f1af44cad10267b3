# make setup|demo|test|check: everything lives in .venv and .cache beside this file, nothing elsewhere.
#   make demo PORTRAIT=me.png AUDIO=me.wav    your own portrait and sound
#   make demo COMFYUI=/path/to/ComfyUI        your own ComfyUI instead of the one in .cache
PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest -c tests/pytest.ini

.PHONY: help setup demo test check lint types architecture clean distclean
help:
	@sed -n 's/^#\s\?//p' Makefile

setup:
	@$(PYTHON) scripts/host.py dev

demo:
	@$(PYTHON) scripts/host.py $(if $(COMFYUI),tools,host)
	@$(BIN)/python scripts/demo.py $(if $(PORTRAIT),--portrait "$(PORTRAIT)") \
		$(if $(AUDIO),--audio "$(AUDIO)") $(if $(COMFYUI),--comfyui "$(COMFYUI)")

test: setup
	$(PYTEST) tests $(ARGS)

check: lint types architecture test

lint: setup
	$(BIN)/ruff check .

types: setup
	$(BIN)/pyright

architecture: setup
	$(PYTEST) -q tests/test_architecture.py

clean:
	rm -rf output .cache/demo .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv/*' -not -path './.cache/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf .venv .cache
