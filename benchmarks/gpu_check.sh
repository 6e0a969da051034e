#!/bin/sh
# The GPU check with the Python, torch and transformers that are there (PYTHON names another Python); docs/gpu.md tells what it does.
# Nothing is downloaded. Wheels in benchmarks/wheels/ are installed into a folder that is removed at the end, and nothing else is.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}
site=$(mktemp -d)
trap 'rm -rf "$site"' EXIT
if ls "$root"/benchmarks/wheels/*.whl >/dev/null 2>&1; then
  "$python" -m pip install --quiet --no-index --no-deps --no-compile --target "$site" "$root"/benchmarks/wheels/*.whl
  PYTHONPATH=$site${PYTHONPATH:+:$PYTHONPATH}
fi
# Only here may the package come from the checkout by a path: a lent machine has no environment of this project.
if ! PYTHONPATH=${PYTHONPATH:-} "$python" -c "import encoder_compression" 2>/dev/null; then
  PYTHONPATH=$root/src${PYTHONPATH:+:$PYTHONPATH}
fi
export PYTHONPATH=${PYTHONPATH:-}
"$python" "$root/benchmarks/gpu_check.py" "$@"
