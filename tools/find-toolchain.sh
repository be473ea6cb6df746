#!/usr/bin/env sh
# Print a Python that can build antiphon, or say in plain words what is missing.
# A candidate is run, not just looked up: shims answer to names that they cannot run.
set -u

say() { printf 'antiphon: %s\n' "$*" >&2; }

rust_minimum=88 # 1.88, as in Cargo.toml
if ! version=$(rustc --version 2>/dev/null) || ! cargo --version >/dev/null 2>&1; then
  say "no Rust toolchain (rustc and cargo). Install one from https://rustup.rs and try again."
  exit 1
fi
minor=$(printf '%s' "$version" | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
if [ -z "$minor" ] || [ "$minor" -lt "$rust_minimum" ]; then
  say "$version is too old: 1.$rust_minimum or newer is needed. Run: rustup update stable"
  exit 1
fi
if [ "$(uname)" = Linux ] && ! cc --version >/dev/null 2>&1; then
  say "no C linker (cc), which rustc needs. On Debian and Ubuntu: apt-get install gcc libc6-dev"
  exit 1
fi

too_old=""
broken=""
for candidate in ${PYTHON:-} python3.14 python3.13 python3.12 python3.11 python3 python; do
  found=$("$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
  if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    too_old="$candidate is Python $found"
  elif ! "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
    broken="$candidate"
  else
    printf '%s\n' "$candidate"
    exit 0
  fi
done
if [ -n "$broken" ]; then
  say "$broken cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv"
elif [ -n "$too_old" ]; then
  say "$too_old: 3.11 or newer is needed. Install one, or name it: make PYTHON=/path/to/python3.11"
else
  say "no Python found. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3"
fi
exit 1
