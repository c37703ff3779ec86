#!/bin/sh
# Trains on CUDA and on the CPU, compares the two, and runs the tests marked `cuda`: under 8 minutes, without network.
# PYTHON names the interpreter whose torch is used (by default the checkout's environment, else python3).
#     tools/cuda_check.sh [options of python -m tools.cuda_check]
cd "$(dirname "$0")/.." || exit 2
[ -n "$PYTHON" ] || { [ -x .venv/bin/python ] && PYTHON=.venv/bin/python || PYTHON=python3; }
export CUBLAS_WORKSPACE_CONFIG=:4096:8 PYTHONUNBUFFERED=1
started=$(date +%s)

timeout 330 "$PYTHON" -m tools.cuda_check "$@"
compared=$?
[ "$compared" -eq 124 ] && echo "WRONG: the comparison took more than 330 s"

tested=0
if "$PYTHON" -c 'import pytest' 2>/dev/null; then
    # without tests/conftest.py, which needs packages that may be missing
    timeout 120 "$PYTHON" -m pytest -q --noconftest -p no:cacheprovider -m cuda $(grep -rl --include='*.py' 'mark\.cuda' tests)
    tested=$?
else
    echo "tests marked cuda: not run, pytest is missing"
fi
echo "cuda_check: $(($(date +%s) - started)) s, comparison ended with $compared, tests with $tested"
[ "$compared" -eq 0 ] && [ "$tested" -eq 0 ]
