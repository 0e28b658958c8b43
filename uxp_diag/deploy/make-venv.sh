#!/bin/sh
# Make .venv/ with the first Python that is new enough: python3, else one with its version in its name.
set -eu

is_new_enough() {
    command -v "$1" >/dev/null 2>&1 &&
        "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

python=
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    if is_new_enough "$candidate"; then
        python=$candidate
        break
    fi
done

if [ -z "$python" ]; then
    echo "uxp_diag needs Python 3.11 or newer; on Debian: apt-get install python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$python has no venv module; on Debian: apt-get install python3-venv" >&2
    exit 1
fi

# Half a venv would look like a whole one to make.
trap 'rm -rf .venv' EXIT
rm -rf .venv
"$python" -m venv .venv
trap - EXIT
