# The few commands people use. The build itself is CMake's: see CMakePresets.json.

JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PRESET ?= dev
ARGS ?=
export NINJA_STATUS = [%f/%t, %es] 
export CTEST_OUTPUT_ON_FAILURE = 1

dev_text = Debug, AddressSanitizer and UBSan
tsan_text = ThreadSanitizer
release_text = optimised
python_text = the Python package, optimised
bench_text = optimised, with benchmarks
fuzz_text = libFuzzer, AddressSanitizer and UBSan
coverage_text = Debug, instrumented for llvm-cov

# $(call configure,<preset>,<step>) and $(call build,<preset>,<step>)
configure = @echo "[$(2)] configuring ($(1): $($(1)_text)), log in build/$(1)/configure.log"; \
  mkdir -p build/$(1); cmake --preset $(1) >build/$(1)/configure.log
build = @echo "[$(2)] building ($(1): $($(1)_text)) with $(JOBS) jobs"; cmake --build build/$(1) -j $(JOBS)

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format bench docs clean

help:  ## show this list
	@echo "Odeon: an actor runtime in C++23. On Debian 12 each of these installs what it needs."
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16
	@echo
	@echo "  make test PRESET=tsan   another preset: dev tsan release fuzz coverage (the first and third with Python)"
	@echo "  make run ARGS=…         arguments for the program"

setup:  ## install the Debian packages that are missing (tools/packages.txt)
	@tools/setup.sh build

run:  ## build the program and run the main job: odeon dev
	@echo "[1/4] looking for missing packages"
	@tools/setup.sh build
	$(call configure,release,2/4)
	@echo "[3/4] building (release: $(release_text)) with $(JOBS) jobs"
	@cmake --build build/release -j $(JOBS) --target odeon
	@echo "[4/4] running build/release/apps/odeon/odeon dev $(ARGS)"
	@build/release/apps/odeon/odeon dev $(ARGS)

# The Python package is tested beside these; the other presets instrument C++ alone.
PYTHON_WITH = dev release

test:  ## build everything with sanitizers and run all tests, of C++ and of Python
	@echo "[1/6] looking for missing packages"
	@tools/setup.sh build
	$(call configure,$(PRESET),2/6)
	$(call build,$(PRESET),3/6)
ifneq ($(filter $(PRESET),$(PYTHON_WITH)),)
	$(call configure,python,4/6)
	$(call build,python,5/6)
	@echo "[6/6] testing ($(PRESET), then python)"
	@ctest --preset $(PRESET) -j $(JOBS) --output-log build/$(PRESET)/ctest.log; cpp=$$?; \
	ctest --preset python -j $(JOBS) --output-log build/python/ctest.log; python=$$?; \
	tools/test_summary.sh build/$(PRESET)/ctest.log build/python/ctest.log; \
	[ $$cpp -eq 0 ] || exit $$cpp; exit $$python
else
	@echo "[4/6] the Python package is left out: it is tested with PRESET=dev and PRESET=release"
	@echo "[6/6] testing ($(PRESET))"
	@ctest --preset $(PRESET) -j $(JOBS) --output-log build/$(PRESET)/ctest.log
endif

lint:  ## check formatting, house rules, layers, and run clang-tidy
	@echo "[1/4] clang-format"
	@tools/setup.sh build
	@git ls-files '*.hpp' '*.cpp' | xargs -r clang-format-19 --dry-run -Werror
	@echo "[2/4] house rules and layers"
	@python3 tools/tidy.py
	@python3 tools/check.py
	@git ls-files '*.py' | xargs -r pyflakes3
	@echo "[3/4] building (dev: $(dev_text)), for the precompiled header"
	@mkdir -p build/dev; cmake --preset dev >build/dev/configure.log
	@cmake --build build/dev -j $(JOBS) --target odeon_pch
	@echo "[4/4] clang-tidy"
	@run-clang-tidy-19 -quiet -p build/dev -j $(JOBS) \
	  '^$(CURDIR)/(src|apps|examples)/((?!\.(test|stress|fuzz)\.cpp).)*$$'

format:  ## rewrite the sources with clang-format
	@git ls-files '*.hpp' '*.cpp' | xargs -r clang-format-19 -i

bench:  ## build the benchmarks and print the table of Odeon beside its peers
	@echo "[1/4] looking for missing packages"
	@tools/setup.sh build
	$(call configure,bench,2/4)
	$(call build,bench,3/4)
	@echo "[4/4] measuring"
	@python3 tools/bench.py $(ARGS)

docs:  ## build the documentation into build/docs
	@echo "[1/2] looking for missing packages"
	@tools/setup.sh docs
	@echo "[2/2] building the documentation"
	@/usr/bin/python3 -m sphinx -q -W --keep-going -b html docs build/docs
	@echo "build/docs/index.html"

clean:  ## remove the build folders
	rm -rf build
