"""The catalogue binds the conditions of data to the pages that name them."""

from dataclasses import replace
from typing import Any

import pytest
from torch import nn

from morphogen import catalogue
from morphogen.catalogue import UnknownName, build_system, pages
from morphogen.component import ConfigError
from morphogen.conditioning.specs import Classes, Sketches
from morphogen.contract import ConditionSpec
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes

PIXELS, LABEL = Pixels(17, (1, 8, 8)), Classes(10)


def test_a_page_takes_what_its_signature_names() -> None:
    assert pages()["ddpm"].takes == {"label": Classes} and not pages()["ddpm"].required
    assert pages()["sketch_to_picture"].required == {"sketch"}
    assert pages()["transformer"].required == {"source"}


def bound(name: str, conditions: dict[str, ConditionSpec], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments that a page is built with."""
    given: dict[str, Any] = {}
    page = replace(
        pages()[name], build=lambda representation, **arguments: given.update(arguments) or nn.Module()
    )
    monkeypatch.setattr(catalogue, "page", lambda _: page)
    build_system(name, PIXELS, conditions, "tiny")
    return {key: value for key, value in given.items() if key != "size"}


def test_data_are_bound_by_name_and_class(monkeypatch: pytest.MonkeyPatch) -> None:
    sketch = Sketches()
    assert bound("ddpm", {"label": LABEL}, monkeypatch) == {"label": LABEL}
    assert bound("ddpm", {}, monkeypatch) == {}
    assert bound("ddpm", {"colour": LABEL}, monkeypatch) == {}  # labels of another name may be ignored
    assert bound("sketch_to_picture", {"sketch": sketch}, monkeypatch) == {"sketch": sketch}
    both: dict[str, ConditionSpec] = {"sketch": sketch, "label": LABEL}
    assert bound("sketch_to_picture", both, monkeypatch) == {"sketch": sketch}


@pytest.mark.parametrize(
    ("name", "conditions", "message"),
    [
        (
            "sketch_to_picture",
            {},
            'needs sketches; the data have no conditions; add condition="sketch", or',
        ),
        (
            "sketch_to_picture",
            {"label": LABEL},
            'needs sketches; the data have labels; add condition="sketch"',
        ),
        ("sketch_to_picture", {"sketch": LABEL}, r"needs sketches; the data have labels \('sketch'\)"),
        (
            "ddpm",
            {"sketch": Sketches()},
            "does not take the sketches of the data; choose one that fits: controlnet, pix2pix",
        ),
        (
            "ddpm",
            {"source": Bytes(4)},
            r"does not take the texts \('source'\) of the data; no system fits them",
        ),
    ],
)
def test_what_does_not_fit_is_one_line(name: str, conditions: dict[str, ConditionSpec], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name} {message}") as error:
        build_system(name, PIXELS, conditions, "tiny")
    assert "\n" not in str(error.value)


def test_conditions_are_a_mapping(untyped: None) -> None:
    with pytest.raises(ConfigError, match=r"conditions \('a', 'b'\): give those of the data"):
        build_system("ddpm", PIXELS, ("a", "b"), "tiny")  # type: ignore[arg-type]


def test_unknown_names_and_other_media() -> None:
    with pytest.raises(UnknownName, match="did you mean ddpm"):
        build_system("ddmp", PIXELS)
    for name, system in (("CTGAN", "table_gan"), ("ctgan", "table_gan"), ("TVAESynthesizer", "table_vae")):
        with pytest.raises(UnknownName, match=rf"named '{name}'; did you mean {system}\?"):
            build_system(name, PIXELS)
    with pytest.raises(ConfigError, match="gpt models text, but the data are pictures; choose one of"):
        build_system("gpt", PIXELS, {"label": LABEL})
