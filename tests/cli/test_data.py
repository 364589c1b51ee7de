"""`morphogen data`: lists every named data set and whether it is downloaded; refuses unknown names."""

import pytest

from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.data import data
from morphogen.data import DataError
from morphogen.data.fetch import SOURCES


def test_the_list_has_every_name_and_whether_it_is_downloaded(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path))
    data()
    out = capsys.readouterr().out
    state = {
        line.split()[0]: line.split()[1]
        for line in out.splitlines()
        if line[:1].isalpha() and not line.startswith("Download")
    }
    assert (
        state.keys() == SOURCES.keys()
        and state["digits"] == "here"
        and state["mnist"] == state["emoji"] == "-"
    )
    assert all(source.licence in out and source.description in out for source in SOURCES.values())
    data("list")
    assert capsys.readouterr().out == out


def test_get_of_an_available_data_set_downloads_nothing(capsys):
    data("get", ["digits"])
    assert capsys.readouterr().out == "digits is available (in the Python package scikit-learn)\n"


def test_unknown_names_download_nothing(capsys):
    with pytest.raises(DataError, match="'mnis': unknown; did you mean mnist"):
        data("get", ["digits", "mnis"])
    assert not capsys.readouterr().out


@pytest.mark.parametrize(("action", "names"), [("get", None), ("fetch", None), ("list", ["digits"])])
def test_other_arguments_are_refused_with_the_usage(action, names):
    with pytest.raises(BadArgument, match="data get"):
        data(action, names)
