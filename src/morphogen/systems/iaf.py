r"""IAF: inverse autoregressive flow of the numbers of a table row (Kingma et al. 2016).

    x_i = (z_i - t_i) exp(-s_i),   (s_i, t_i) = MADE(z_<i, codes, c)

A sample costs one pass in parallel; the density of given rows proceeds entry by entry, and so does training.
"""

__all__ = ["iaf"]

from morphogen.conditioning.specs import Classes
from morphogen.families.flow import Bijection, InverseAutoregressiveFlow
from morphogen.model import Model
from morphogen.representations.tabular import Tabular
from morphogen.systems import Size
from morphogen.systems.maf import SIZES, TRAINING
from morphogen.systems.table_flow import CODES, flow_of_rows


def iaf(table: Tabular, label: Classes | None = None, size: Size = "small") -> Model:
    r"""Inverse autoregressive flow of numbers given categories, or a class too.

    Kingma, Salimans, Jozefowicz, Chen, Sutskever & Welling 2016, who transform the posterior of a VAE by it;
    here it is trained by maximum likelihood, with the networks of `maf`. Bits per cell: not measured.
    """
    sizes = SIZES[size]

    def scores(dims: int, vector: int) -> Bijection:
        return InverseAutoregressiveFlow(dims, vector=vector, **sizes | {"width": max(sizes["width"], dims)})

    return flow_of_rows("iaf", table, label, scores, CODES[size], **TRAINING[size])
