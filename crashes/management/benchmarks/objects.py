"""Debug files to measure with: a C++ program compiled on the spot, and a Rust library at hand.

The C++ one is a source full of templates, compiled once and linked many times: `objcopy` gives
every copy names of its own, so that the linker keeps them all, and a hundred megabytes of DWARF
cost seconds instead of minutes. The Rust one is the library inside the `symbolic` package, which
ships with its debug information.
"""

import hashlib
import importlib.util
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from random import Random

from elftools.elf.elffile import ELFFile

from crashes.management.benchmarks.terms import Terms, Unavailable

_SOURCE = """
#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace fleet {
template <int Model> struct Phone {
  std::string name;
  std::map<std::string, std::vector<std::variant<int, double, std::string>>> facts;
  int weight = Model;
};

template <int Model> int rank(int count) {
  std::unordered_map<int, Phone<Model>> all;
  for (int i = 0; i < count; i++) {
    Phone<Model> &phone = all[i * Model];
    phone.weight = i;
    phone.name = std::to_string(i);
    phone.facts[phone.name].push_back(phone.name);
  }
  std::vector<std::pair<int, Phone<Model>>> sorted(all.begin(), all.end());
  std::sort(sorted.begin(), sorted.end(), [](const auto &left, const auto &right) {
    return left.second.weight < right.second.weight;
  });
  std::function<int(int)> at = [&](int k) { return sorted[k % sorted.size()].second.weight; };
  int sum = 0;
  for (auto &entry : sorted) sum += at(entry.first) + (int)entry.second.facts.size();
  return sum;
}

template <int... Models> int every(int count, std::integer_sequence<int, Models...>) {
  return (rank<Models + 1>(count) + ...);
}
} // namespace fleet

extern "C" int rank_fleet(int count) {
  return fleet::every(count, std::make_integer_sequence<int, MODELS>{});
}
"""
_COMPILE_SECONDS = 300
_SEED = 42


@dataclass(frozen=True, slots=True)
class DebugObject:
    """A debug file and how much DWARF it holds, inflated."""

    name: str
    path: Path
    dwarf_bytes: int
    text: tuple[int, int]

    def random_addresses(self, count: int) -> list[int]:
        """Uniformly from its code."""
        random = Random(_SEED)  # noqa: S311  a sample, not a secret
        return [random.randrange(*self.text) for _ in range(count)]

    def skewed_addresses(self, count: int, *, distinct: int) -> list[int]:
        """As crashes fall: few places take most of them (Zipf)."""
        random = Random(_SEED + 1)  # noqa: S311  a sample, not a secret
        places = self.random_addresses(distinct)
        weights = [1 / rank for rank in range(1, distinct + 1)]
        return random.choices(places, weights, k=count)


def read_object(name: str, path: Path) -> DebugObject:
    """Measure a debug file. Raises Unavailable for one without code or DWARF."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        sections = list(elf.iter_sections())
        dwarf = sum(one.data_size for one in sections if one.name.startswith((".debug", ".zdebug")))
        text = next((one for one in sections if one.name == ".text"), None)
        if text is None or dwarf == 0:
            raise Unavailable(f"{path.name} has no code or no DWARF")
        start = int(text["sh_addr"])
        return DebugObject(name, path, dwarf, (start, start + int(text["sh_size"])))


def rust_object() -> DebugObject:
    """The native library of the `symbolic` package."""
    spec = importlib.util.find_spec("symbolic")
    folder = Path(spec.origin).parent if spec and spec.origin else Path()
    found = max(folder.glob("*.so"), key=lambda path: path.stat().st_size, default=None)
    if found is None:
        raise Unavailable("the symbolic package has no library of its own")
    return read_object("Rust", found)


def cpp_object(terms: Terms) -> DebugObject:
    """The program above; made once and kept in the cache. Raises Unavailable without a compiler."""
    models, copies = terms.size(24, quick=6), terms.size(30, quick=4)
    name = hashlib.sha256(f"{_SOURCE}{models} {copies}".encode()).hexdigest()[:16]
    path = terms.cache / f"templates-{name}.so"
    if not path.exists():
        _compile(path, terms.folder, models, copies)
    return read_object("C++", path)


def _compile(target: Path, folder: Path, models: int, copies: int) -> None:
    compiler, objcopy = shutil.which("g++"), shutil.which("objcopy")
    if compiler is None or objcopy is None:
        raise Unavailable("no g++ and objcopy")
    source, first = folder / "templates.cc", folder / "0.o"
    source.write_text(_SOURCE)
    flags = ["-std=c++17", "-g", "-O2", "-fPIC", f"-DMODELS={models}"]
    _run([compiler, *flags, "-c", str(source), "-o", str(first)])
    parts = [first]
    for number in range(1, copies):
        part = folder / f"{number}.o"
        _run([objcopy, f"--prefix-symbols=copy{number}_", str(first), str(part)])
        parts.append(part)
    linked = folder / "templates.so"
    _run([compiler, "-shared", "-Wl,--build-id=sha1", "-o", str(linked), *map(str, parts)])
    shutil.move(linked, target)


def _run(command: list[str]) -> None:
    done = subprocess.run(  # noqa: S603  compilers found by name
        command, capture_output=True, check=False, timeout=_COMPILE_SECONDS
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unavailable(f"the sample does not compile: {said[-1] if said else 'no word'}")
