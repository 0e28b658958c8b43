"""The grouping mechanisms by name, and the one new crashes get.

A released mechanism is frozen: stored keys and scores were made by it. To change how crashes
group, copy the newest module, change the copy, register it here, let it run in shadow, and make it
`CURRENT` when its merges and splits have been looked at.
"""

from types import ModuleType

from crashes.grouping.mechanisms import v1

MECHANISMS: dict[str, ModuleType] = {v1.NAME: v1}
CURRENT = "v1"
