#!/usr/bin/env sh
# Pin every Python package that `make demo`, `make test` and `make bench-peers` install, with hashes,
# for every platform and Python at once. Needs uv; run it by `make lock`.
set -eu
cd "$(dirname "$0")/.."
lock() {
  out=$1
  shift
  uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --quiet \
    --no-annotate --custom-compile-command "make lock" --output-file "$out" "$@"
}
lock requirements/demo.txt --group build --extra cli --extra plot --extra speech --extra espeak --extra tls
lock requirements/test.txt --group build --group test --group lint \
  --extra cli --extra plot --extra speech --extra espeak --extra tls
lock benches/peers/requirements.txt --group peers
