"""One transformer of a text and a grid: what each position sees, sparse patterns, and cached decoding."""

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Context, Prefills, Reorders, Truncates
from morphogen.families.autoregressive import Recompute
from morphogen.networks.attention import Attention
from morphogen.networks.attention_patterns import ColumnPattern, NeighbourhoodPattern, RowPattern
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.joint_transformer import GridPositions, JointTransformer
from morphogen.networks.normalization import LayerNorm

TEXT, SIDES, VOCABULARY = 5, (3, 4), 7
PATTERNS = RowPattern(), ColumnPattern(), NeighbourhoodPattern(3)


def network(layers: int = 3, patterns: tuple[object, ...] = PATTERNS) -> JointTransformer:
    torch.manual_seed(0)
    block = Block(Attention(8, 2), FeedForward(8, 16), LayerNorm(8))
    return JointTransformer(6, TEXT, VOCABULARY, SIDES, block, layers, patterns).eval()  # type: ignore[arg-type]


def inputs(rows: int = 3) -> tuple[torch.Tensor, Context]:
    torch.manual_seed(1)
    text = torch.randint(6, (rows, TEXT))
    text[0, 3:] = -1
    return torch.randint(VOCABULARY, (rows, *SIDES)), Context(text=text)


@pytest.mark.parametrize("patterns", [(), PATTERNS])
def test_a_place_sees_the_text_and_earlier_places_only(patterns: tuple[object, ...]) -> None:
    model, (x, context) = network(3, patterns), inputs()
    text, grid = model.joint_logits(x, context)
    assert text.shape == (3, TEXT, 7) and grid.shape == (3, *SIDES, VOCABULARY)
    assert torch.equal(grid, model(x, context))
    changed = x.clone()
    changed[:, 1, 2] = (x[:, 1, 2] + 1) % VOCABULARY
    other_text, other = model.joint_logits(changed, context)
    assert torch.equal(other_text, text)
    differs = (other != grid).flatten(1, 2).any(-1)
    assert not differs[:, :7].any() and differs[:, 7].all()  # from the place after the changed one
    assert context.text is not None
    words = context.text.clone()
    words[1, 2] = (words[1, 2] + 1) % 6
    other_text, other = model.joint_logits(x, Context(text=words))
    differs = (other_text != text).any(-1)
    assert differs[1].tolist() == [False] * 3 + [True] * 2 and not differs[[0, 2]].any()
    assert (other[1] != grid[1]).any(-1).all() and torch.equal(other[0], grid[0])


def test_padding_is_learned_for_each_position() -> None:
    model, (x, context) = network(), inputs()
    base = model(x, context)
    with torch.no_grad():
        model.padding.weight[2] += 1  # of a position with a token in every row
        assert torch.equal(model(x, context), base)
        model.padding.weight[4] += 1  # of the last one, padding in row 0
    changed = (model(x, context) != base).flatten(1).any(1)
    assert changed.tolist() == [True, False, False]


def test_without_a_text_it_is_all_padding() -> None:
    model, (x, _) = network(), inputs()
    assert torch.equal(model(x, None), model(x, Context(text=torch.full((3, TEXT), -1))))


@pytest.mark.parametrize("patterns", [(), PATTERNS])
def test_cached_decoding_equals_the_whole_network(patterns: tuple[object, ...]) -> None:
    model, (x, context) = network(3, patterns), inputs()
    expected, ids = model(x, context).flatten(1, 2), x.flatten(1)
    cache = model.make_cache(3, context)
    assert all(isinstance(cache, protocol) for protocol in (Prefills, Reorders, Truncates))
    logits = [cache.step(None)] + [cache.step(ids[:, i]) for i in range(11)]
    torch.testing.assert_close(torch.stack(logits, 1), expected, atol=1e-5, rtol=1e-5)
    cache.truncate(2)
    torch.testing.assert_close(cache.prefill(ids[:, 2:9]), expected[:, 3:10], atol=1e-5, rtol=1e-5)
    rows = torch.tensor([2, 0])
    cache.reorder(rows)
    recomputed = Recompute(model, 3, SIDES, context)
    recomputed.prefill(ids[:, :9])
    after = recomputed.step(ids[:, 9])[rows]
    torch.testing.assert_close(cache.step(ids[rows, 9]), after, atol=1e-5, rtol=1e-5)


def test_patterns_are_those_of_the_papers_figure_11() -> None:
    """A grid of 4 x 4: a row pattern has 5 places, of which the first is above this one."""
    seen = [pattern.visible(4, 4) for pattern in PATTERNS]
    assert [m.diagonal().all().item() for m in seen] == [True] * 3
    assert not any(m.triu(1).any() for m in seen)
    places = [m[9].nonzero()[:, 0].tolist() for m in seen]  # row 2, column 1
    assert places == [[5, 6, 7, 8, 9], [1, 5, 9], [4, 5, 6, 8, 9]]
    assert NeighbourhoodPattern(3).visible(4, 4)[8].nonzero()[:, 0].tolist() == [3, 4, 5, 7, 8]  # wraps


def test_a_pattern_restricts_what_a_layer_sees() -> None:
    """One layer of columns: a place ignores what another column and the row have, but the text it sees."""
    model, (x, context) = network(1, (ColumnPattern(),)), inputs()
    base, changed = model(x, context), x.clone()
    changed[:, 0, 1] = (x[:, 0, 1] + 1) % VOCABULARY  # the input at place 1; the logits there are of place 2
    differs = (model(changed, context) != base).flatten(1, 2).any(-1).all(0)
    assert differs.nonzero()[:, 0].tolist() == [2, 6, 10]


def test_grid_positions_are_a_row_and_a_column() -> None:
    positions = GridPositions(2, 3, 4)
    expected = torch.stack([positions.rows[i] + positions.columns[j] for i in range(2) for j in range(3)])
    assert torch.equal(positions(0, 6), expected) and torch.equal(positions(2, 3), expected[2:5])
    with pytest.raises(ConfigError, match="7 tokens"):
        positions(3, 4)


def test_bad_sizes_are_named_and_the_config_is_complete() -> None:
    with pytest.raises(ConfigError, match="2 patterns for 3 layers: give one per layer"):
        network(3, PATTERNS[:2])
    with pytest.raises(ConfigError, match="kernel=4 must be odd"):
        NeighbourhoodPattern(4)
    model, (x, context) = network(), inputs()
    with pytest.raises(ConfigError, match=r"give the conditioner the encoder LeadingText\(5\)"):
        model(x, Context(text=torch.zeros(3, 4, dtype=torch.long)))
    again = from_config(to_config(model))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(x, context), model(x, context))
