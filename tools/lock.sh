#!/usr/bin/env sh
# Pin every Python package that `make demo`, `make test`, `make bench-*` and `make test-conformance`
# install, with hashes, for every platform and Python at once. Needs uv; run it by `make lock`.
set -eu
cd "$(dirname "$0")/.."
lock() {
  out=$1
  shift
  compile pyproject.toml --output-file "$out" "$@"
}
compile() {
  uv pip compile --universal --python-version 3.11 --generate-hashes --quiet --no-annotate \
    --custom-compile-command "make lock" "$@"
}
lock requirements/demo.txt --group build --extra cli --extra plot --extra speech --extra espeak --extra tls
lock requirements/test.txt --group build --group test --group lint \
  --extra cli --extra plot --extra speech --extra espeak --extra tls --extra vertex
lock benches/peers/requirements.txt --group peers
lock benches/cost/requirements.txt --group cost
# The clients that are driven each have an environment of their own, without ours.
for client in tests/conformance/requirements/*.in; do
  compile "$client" --output-file "${client%.in}.txt"
done
