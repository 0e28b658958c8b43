"""`manage.py symbolicate`, called as its description says."""

import pytest
from django.core.management import call_command

PLAIN = "nothing to name here\n"


@pytest.mark.parametrize("is_file_last", [True, False])
def test_the_file_may_stand_on_either_side_of_the_folders(tmp_path, capsys, is_file_last):
    symbols, dump = tmp_path / "symbols", tmp_path / "dump.txt"
    symbols.mkdir()
    dump.write_text(PLAIN)
    folders = ["--debug-files", str(symbols), str(symbols)]

    call_command("symbolicate", *([*folders, str(dump)] if is_file_last else [str(dump), *folders]))

    assert capsys.readouterr().out == PLAIN
