"""The symbols of a whole build: thousands of files, most of them known."""

import io
import json
import os
import subprocess
import sys
import zipfile

import pytest
from django.core.management import CommandError, call_command

from crashes.models import DebugFile
from crashes.services import symbols
from crashes.services.sandboxes import sandbox
from crashes.services.symbol_tables import debug_file_path
from tests.conftest import ROOT
from uxp_diag.sandbox import FailureReason, SandboxFailure

pytestmark = pytest.mark.django_db

SYM = "MODULE Linux arm64 {number:033X} lib{number}.so\nFUNC 1000 20 0 f\n1000 20 1 0\n"


def fill(folder, numbers):
    for number in numbers:
        path = folder / f"{number % 7}" / f"lib{number}.sym"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(SYM.format(number=number))


def add(*paths, **options):
    out, err = io.StringIO(), io.StringIO()
    call_command("add_debug_files", *map(str, paths), stdout=out, stderr=err, **options)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    return lines, err.getvalue()


@pytest.fixture
def tree(tmp_path):
    """A folder that the store is not in."""
    folder = tmp_path / "symbols"
    folder.mkdir()
    return folder


@pytest.fixture
def copied(monkeypatch):
    """The files that were read to their end."""
    seen = []
    original = symbols.copy_in

    def copy(source, path):
        seen.append(os.path.basename(source.name))  # noqa: PTH119
        return original(source, path)

    monkeypatch.setattr("crashes.services.bulk_symbols.copy_in", copy)
    return seen


def test_a_tree_is_taken_in_once(tree, copied):
    fill(tree, range(1, 131))

    first, said = add(tree)
    again, said_again = add(tree)

    assert {line["status"] for line in first} == {"created"}
    assert len(first) == DebugFile.objects.count() == len(copied) == 130
    assert {line["status"] for line in again} == {"known"}
    assert [line["file"] for line in first] == [line["file"] for line in again]
    assert said.startswith("130 created, 0 known, 0 refused, 0 ignored")
    assert said_again.startswith("0 created, 130 known, 0 refused, 0 ignored")


def test_only_what_is_new_is_read_whole(tree, copied):
    fill(tree, range(1, 50))
    add(tree)
    copied.clear()
    fill(tree, [50])
    changed = tree / "1" / "lib1.sym"
    changed.write_text(changed.read_text() + "FUNC 2000 20 0 g\n2000 20 1 0\n")

    add(tree)

    assert sorted(copied) == ["lib1.sym", "lib50.sym"]


def test_what_the_store_has_lost_is_taken_in_again(tree, copied):
    fill(tree, range(1, 4))
    add(tree)
    debug_file_path(DebugFile.objects.earliest("pk").sha256).unlink()
    copied.clear()

    add(tree)

    assert len(copied) == 1


def test_what_cannot_be_taken_in_is_told_in_the_end_and_holds_up_nobody(tree):
    fill(tree, range(1, 60))
    (tree / "broken.so").write_bytes(b"\x7fELF\x02\x01\x01" + b"\0" * 9 + b"\xff" * 48)
    (tree / "broken.zip").write_bytes(b"PK\x03\x04 and nothing behind it")
    (tree / "README").write_text("no debug file\n")
    (tree / "empty").touch()

    lines, said = add(tree)

    refused = {line["file"]: line["code"] for line in lines if line["status"] == "refused"}
    assert refused.keys() == {f"{tree}/broken.so", f"{tree}/broken.zip"}
    assert said.startswith("59 created, 0 known, 2 refused, 2 ignored")
    assert said.count("  refused: ") == 2


def test_one_that_ends_the_child_is_left_alone_with_it(tree, monkeypatch):
    fill(tree, range(1, 10))
    real = sandbox().run

    class Fragile:
        def run(self, job, *, files, limits):
            names = [os.readlink(f"/proc/self/fd/{fd}") for fd in files]  # noqa: PTH115
            if any(name.endswith("lib3.sym") for name in names):
                raise SandboxFailure(FailureReason.CRASHED, "it went")
            return real(job, files=files, limits=limits)

    monkeypatch.setattr("crashes.services.bulk_symbols.sandbox", Fragile)

    lines, _ = add(tree)

    refused = [line for line in lines if line["status"] == "refused"]
    assert [line["code"] for line in refused] == ["sandbox_crashed"]
    assert DebugFile.objects.count() == 8


def test_zips_are_taken_in_entry_by_entry(tree):
    with zipfile.ZipFile(tree / "symbols.zip", "w") as file:
        file.writestr("lib/a.sym", SYM.format(number=1))
        file.writestr("lib/notes.txt", "nothing of use")
    fill(tree, [1, 2])

    lines, _ = add(tree)

    assert sorted(line["status"] for line in lines) == ["created", "created", "known"]


def test_threads_are_counted_from_one(tree):
    with pytest.raises(CommandError):
        add(tree, threads=0)


@pytest.mark.own_servers
def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    tree, data = tmp_path / "tree", tmp_path / "data"
    data.mkdir()
    fill(tree, range(1, 601))
    environment = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    environment |= {"UXP_DATA_DIR": str(data), "DJANGO_SETTINGS_MODULE": "uxp_diag.settings"}

    def manage(*arguments):
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    manage("migrate", "-v0").communicate()
    stopped = manage("add_debug_files", "--threads", "2", str(tree))
    assert stopped.stdout is not None
    stopped.stdout.readline()  # the first batch is in
    stopped.kill()
    stopped.communicate()
    out, said = manage("add_debug_files", "--threads", "2", str(tree)).communicate()

    statuses = [json.loads(line)["status"] for line in out.splitlines()]
    assert stopped.returncode != 0
    assert len(statuses) == 600
    assert 0 < statuses.count("known") < 600
    assert statuses.count("known") + statuses.count("created") == 600
    assert said.startswith(f"{statuses.count('created')} created")
