"""Writes what a mechanism says of the golden crashes: once, when it is released.

    python -m tests.unit.grouping.freeze v2

Afterwards the file stays as it is; a mechanism in the field that gives other keys loses its issues.
"""

import json
import sys
from pathlib import Path

from crashes.grouping.mechanisms import MECHANISMS
from crashes.stack import from_json

FOLDER = Path(__file__).parents[2] / "data" / "grouping"


def freeze(name: str) -> None:
    """Rewrite the answers of `frozen_<name>.json`; its crashes stay."""
    path = FOLDER / f"frozen_{name}.json"
    mechanism = MECHANISMS[name]
    cases = json.loads(path.read_text(encoding="utf-8"))
    for case in cases:
        item = mechanism.prepare(from_json(case["crash"]), package=None)
        case |= {
            "exact_key": item.exact_key,
            "signature": item.signature,
            "scope": item.scope,
            "terms": list(mechanism.index_terms(item)),
        }
    path.write_text(json.dumps(cases, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    freeze(sys.argv[1])
