"""Names that a person may have meant."""

import pytest

from morphogen.component import ConfigError
from morphogen.conditioning.given_cells import TableCells
from morphogen.conditioning.specs import Classes
from morphogen.representations.tabular import CategoryColumn, GridColumn, Tabular
from morphogen.similar_names import did_you_mean, list_names, similar_names

SPECIES = ("Adelie Penguin (Pygoscelis adeliae)", "Gentoo penguin (Pygoscelis papua)")
CARRIERS = tuple(f"{a}{b}" for a in "ABU" for b in "ABCDEFGHIJKLMNOPQRST")


def test_the_same_in_another_case_before_words_before_similar_ones() -> None:
    assert similar_names("male", ["FEMALE", "MALE"]) == ["MALE"]
    assert similar_names("gentoo", SPECIES) == [SPECIES[1]] and similar_names("pygo", SPECIES) == [*SPECIES]
    assert similar_names("Speces", ["Island", "Species"]) == ["Species"]
    assert similar_names("", SPECIES) == [] and did_you_mean("xyz", SPECIES) == ""
    assert list_names(CARRIERS).endswith(" and 10 more")


@pytest.mark.parametrize(
    ("text", "suggested"),
    [
        ("species=x", "no column is named 'species'; did you mean 'Species'? the columns are Species, Sex"),
        ("Sex=male", "no category 'male'; did you mean 'MALE'? it has FEMALE, MALE"),
        ("carrier=ua", "did you mean 'UA'? it has AA, AB,"),
        ("Species=Gentoo", f"did you mean {SPECIES[1]!r}? it has Adelie"),
        (
            "gentoo",
            f"'gentoo': did you mean 'Species={SPECIES[1]}'? write COLUMN=VALUE, of",
        ),
    ],
)
def test_given_cells(text: str, suggested: str) -> None:
    names = (("Species", SPECIES), ("Sex", ("FEMALE", "MALE")), ("carrier", CARRIERS))
    table = Tabular((*(CategoryColumn(name, levels) for name, levels in names), GridColumn("n", (0,), 9)))
    with pytest.raises(ConfigError) as error:
        TableCells(table).parse(text)
    assert suggested in str(error.value)


def test_classes() -> None:
    with pytest.raises(ConfigError, match=r"no class 'gentoo'; did you mean 'Gentoo penguin \(Pygo"):
        Classes(SPECIES).parse("gentoo")
    with pytest.raises(ConfigError, match="no class '12'; the classes are 1, 2"):
        Classes(("1", "2")).parse("12")
