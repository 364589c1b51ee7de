"""The verb `data`: every name with what it is and whether it is here; what it does not know ends in one line."""

import pytest

from morphogen.cli.arguments import BadArgument
from morphogen.cli.data import data
from morphogen.data import NAMED, DataError


def test_the_list_says_of_every_name_whether_it_is_here(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path))
    data()
    out = capsys.readouterr().out
    state = {line.split()[0]: line.split()[1] for line in out.splitlines() if line[:1].isalpha() and not line.startswith("Not")}
    assert state.keys() == NAMED.keys() and state["digits"] == "here" and state["mnist"] == state["emoji"] == "-"
    assert all(source.licence in out and source.what in out for source in NAMED.values())
    data("list")
    assert capsys.readouterr().out == out


def test_get_of_what_is_here_says_so(capsys):
    data("get", ["digits"])
    assert capsys.readouterr().out == "digits is here, in the Python package scikit-learn\n"


def test_unknown_names_fetch_nothing(capsys):
    with pytest.raises(DataError, match="'mnis': unknown; did you mean mnist"):
        data("get", ["digits", "mnis"])
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("action", "names"), [("get", None), ("fetch", None), ("list", ["digits"])])
def test_other_words_are_refused_with_what_can_be_written(action, names):
    with pytest.raises(BadArgument, match="data get"):
        data(action, names)
