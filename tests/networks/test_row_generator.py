"""The generator of rows multiplies the entries of its input that a batch has, and no others."""

import torch

from morphogen.contract import Context
from morphogen.networks.table_gan import RowGenerator
from morphogen.representations.tabular import CategoryColumn, ModeSpecific, RealColumn, Tabular

WORDS = tuple(f"w{i}" for i in range(300))


def test_rows_of_few_categories_are_those_of_the_whole_product() -> None:
    """With a gradient the whole matrix is multiplied, without one the few columns; and each row by itself."""
    word = CategoryColumn("word", WORDS, (0.0, *[1.0] * len(WORDS)))
    rows = ModeSpecific(Tabular((word, RealColumn("x", (-1.0, 0.0, 1.0), (0.0, 1.0, 1.0)))))
    torch.manual_seed(0)
    network = RowGenerator(rows, 4, (16,), vector=len(WORDS)).eval()
    z = {name: torch.randn(8, *shape) for name, shape in network.shapes.items()}
    context = Context(vector=torch.eye(len(WORDS))[torch.arange(8) * 7])
    whole = network(z, context).detach()
    with torch.no_grad():
        few = network(z, context)
        alone = network({name: value[3:4] for name, value in z.items()}, context[3:4])
    torch.testing.assert_close(few, whole, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(alone, whole[3:4], rtol=1e-5, atol=1e-6)
    assert whole.abs().sum() > 0 and (few[0] != few[1]).any()
