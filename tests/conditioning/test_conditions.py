"""`Conditions`: one context of several conditions, of which some are not given."""

from typing import Any

import pytest
import torch
from torch import Tensor

from conditioning.conditioned import (
    LENGTH,
    TOKENS,
    VECTOR,
    conditions,
    dropped_apart,
    parts,
    text_encoder,
)
from morphogen.component import ConfigError, from_config, to_config
from morphogen.conditioning.caption import Caption, caption_bytes
from morphogen.conditioning.conditions import Conditions
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.prefix import Prefix
from morphogen.conditioning.sketch import Sketch
from morphogen.conditioning.source import SourceText
from morphogen.contract import Conditioner, Context
from morphogen.networks.text_encoder import LeadingText
from morphogen.numerics.randomness import Rng
from morphogen.representations.text import Bytes


class Pictures(Conditioner):
    """Tokens that each position of x sees as the condition says: [B, Q, T]."""

    name, widths = "pictures", {"tokens": TOKENS}

    def forward(self, condition: Any, rng: Rng | None = None) -> Context:
        return Context(tokens=condition["tokens"], mask=condition["mask"])


def leading_text() -> Caption:
    return Caption(Bytes(4), LeadingText(4))


def test_vectors_are_added_tokens_and_planes_concatenated() -> None:
    given, part = conditions(4), parts()
    context = Conditions(**part)(given)
    label, caption, sketch = (part[name](given[name]) for name in part)
    assert torch.equal(context.vector, label.vector) and torch.equal(context.tokens, caption.tokens)
    assert torch.equal(context.mask, caption.mask) and torch.equal(context.spatial, sketch.spatial)
    twice = Conditions(one=Label(10, 3), two=Label(10, 3), left=Sketch(), right=Sketch())
    one, two = given["label"], given["label"].flip(0)
    joined = twice({"one": one, "two": two, "left": given["sketch"], "right": given["sketch"] * 0})
    assert torch.equal(joined.vector, twice.parts["one"](one).vector + twice.parts["two"](two).vector)
    assert torch.equal(joined.spatial[:, :1], sketch.spatial) and (joined.spatial[:, 1:] == -1).all()


def test_other_widths_are_projected_to_the_widest() -> None:
    joined = Conditions(one=Label(10, 3), two=Label(10, VECTOR))
    assert joined.widths == {"vector": VECTOR} and set(joined.project) == {"one_vector"}
    label = conditions(4)["label"]
    expected = joined.project["one_vector"](joined.parts["one"](label).vector)
    expected = expected + joined.parts["two"](label).vector
    assert torch.equal(joined({"one": label, "two": label}).vector, expected)


def test_masks_of_all_positions_and_of_each_are_joined() -> None:
    joined = Conditions(caption=SourceText(text_encoder()), pictures=Pictures())
    by_position = torch.rand(4, 5, 3) < 0.5
    given = {"caption": conditions(4)["caption"], "pictures": {"tokens": torch.randn(4, 3, TOKENS)}}
    context = joined(given | {"pictures": given["pictures"] | {"mask": by_position}})  # type: ignore[operator]
    assert context.tokens.shape == (4, LENGTH + 3, TOKENS)
    assert torch.equal(context.mask[:, :, LENGTH:], by_position)
    assert torch.equal(context.mask[:, 2, :LENGTH], given["caption"] >= 0)
    unmasked = Conditions(one=SourceText(text_encoder()), pictures=Pictures())
    context = unmasked(
        {"one": given["caption"], "pictures": {"tokens": torch.randn(4, 3, TOKENS), "mask": None}}
    )
    assert context.mask.shape == (4, LENGTH + 3) and context.mask[:, LENGTH:].all()


@pytest.mark.parametrize("name", ["label", "caption", "sketch"])
def test_a_part_that_is_not_given_equals_its_null(name: str) -> None:
    joined, given = dropped_apart(), conditions(4)
    torch.nn.init.normal_(joined.parts["label"].null["vector"])  # type: ignore[attr-defined]
    without = joined({other: value for other, value in given.items() if other != name})
    full = joined(given)
    alone = joined.parts[name].absent(4)  # type: ignore[attr-defined]
    if name == "label":
        assert torch.equal(without.vector, alone.vector) and torch.equal(without.tokens, full.tokens)
    if name == "caption":
        assert torch.equal(without.tokens, alone.tokens) and torch.equal(without.vector, full.vector)
    if name == "sketch":
        assert without.spatial is None and torch.equal(without.vector, full.vector)


def test_planes_of_a_part_that_is_not_given_keep_their_channels() -> None:
    joined = Conditions(**{name: ConditionDropout(Sketch()) for name in ("left", "right")})
    sketch = conditions(4)["sketch"]
    for i, name in enumerate(("left", "right")):
        spatial = joined({name: sketch}).spatial
        assert spatial.shape == (4, 2, 8, 8)
        assert torch.equal(spatial[:, [i]], 2 * sketch - 1) and not spatial[:, 1 - i].any()


def test_guidance_by_one_condition_keeps_the_others() -> None:
    joined = Conditions(caption=ConditionDropout(SourceText(text_encoder())), sketch=Sketch())
    given = {name: value for name, value in conditions(4).items() if name != "label"}
    context = joined(given)
    assert torch.equal(context.null.spatial, context.spatial) and context.null.tokens.shape[1] == 1
    assert Conditions(**parts())(conditions(4)).null is None


def test_random_conditions_are_those_that_suffice() -> None:
    rng = Rng(0, 4)
    assert Conditions(label=Label(10, 4)).sample_condition(rng).keys() == {"label"}  # type: ignore[union-attr]
    assert Conditions(label=Label(10, 4), sketch=Sketch()).sample_condition(rng) is None
    drawn = Conditions(label=Label(10, 4), sketch=ConditionDropout(Sketch())).sample_condition(rng)
    assert drawn is not None and drawn.keys() == {"label"}


def refused(call: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


def test_errors_name_the_condition() -> None:
    joined, given = Conditions(**parts()), conditions(4)
    refused(Conditions, "Conditions: needs a part")
    refused(lambda: joined({}), "none of the conditions label, caption, sketch is given")
    refused(lambda: joined({"colour": given["label"]}), "no part encodes colour; the conditions are label,")
    refused(lambda: joined({"label": given["label"]}), "requires the condition 'caption', which is missing")
    pair = Conditions(left=Sketch(), right=Sketch())
    sizes: dict[str, Tensor] = {"left": given["sketch"], "right": given["sketch"][..., :4]}
    refused(lambda: pair(sizes), r"same size, not left \[8, 8\], right \[8, 4\]: resize them")
    prompts = Conditions(one=Prefix(), two=Prefix())
    ids = torch.zeros(4, 3, dtype=torch.long)
    refused(lambda: prompts({"one": ids, "two": ids}), "2 parts set a prefix")
    texts = Conditions(one=leading_text(), two=leading_text())
    caption = caption_bytes(["ab", "c"])
    refused(lambda: texts({"one": caption, "two": caption}), "2 parts set a text")


def test_a_text_before_x_is_kept_beside_other_conditions() -> None:
    joined = Conditions(label=Label(10, 3), caption=leading_text())
    context = joined({"label": torch.tensor([1, 2]), "caption": caption_bytes(["ab", "c"])})
    assert context.text is not None and context.text.tolist() == [[97, 98, -1, -1], [99, -1, -1, -1]]
    assert context.vector is not None


def test_config_round_trip() -> None:
    joined = dropped_apart()
    assert to_config(from_config(to_config(joined))) == to_config(joined)
    assert joined.names == ("label", "caption", "sketch")
