"""Dictionaries come from the demo fleet, under numbers that nobody has yet."""

import pytest
import zstandard
from django.core.management import CommandError, call_command

from crashes import packing


def test_new_dictionaries_get_the_numbers_that_are_asked_for(tmp_path, capsys, monkeypatch):
    # Without a compiler the fleet has no native crashes of its own, and takes seconds less to make.
    monkeypatch.setattr("crashes.management.commands.train_packing.find_toolchain", lambda: None)

    call_command(
        "train_packing",
        reports=40,
        size_bytes=4096,
        output=tmp_path,
        document=100_777,
        payload=200_777,
    )

    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert sorted(made) == ["100777.zdict", "200777.zdict"]
    for name, content in made.items():
        assert zstandard.ZstdCompressionDict(content).dict_id() == int(name.split(".")[0])
    assert "bytes of" in capsys.readouterr().out


def test_a_number_that_is_taken_is_refused():
    before = {path: path.read_bytes() for path in packing.FOLDER.iterdir()}

    with pytest.raises(CommandError, match="take a new number"):
        call_command("train_packing", reports=1)

    assert {path: path.read_bytes() for path in packing.FOLDER.iterdir()} == before
