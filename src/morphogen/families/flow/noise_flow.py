r"""Flows of dequantisation noise, given the picture that it is added to.

v = f(eps; x),   u = Phi(v) in (0, 1),   q(u | x) instead of a uniform distribution

Reference: Flow++: Improving flow-based generative models with variational dequantization and architecture
design, Ho, Chen, Srinivas, Duan & Abbeel, 2019, section 3.1.
"""

__all__ = ["NoiseFlow"]

from morphogen.component import ConfigError
from morphogen.families.flow.bijection import Composite
from morphogen.families.flow.coupling import Coupling
from morphogen.families.flow.elementwise import Affine, Elementwise
from morphogen.networks.coupling_convnet import CouplingConvNet


class NoiseFlow(Composite):
    """Checkerboard couplings of noise given a picture, which their networks receive; the identity at first.

    The noise of `VariationallyDequantised` (Ho, Chen, Srinivas, Duan & Abbeel 2019). Their couplings map each
    entry by a mixture of logistics; here that is an argument. `context.spatial` is the picture [B, C, H, W].

    Arguments:
        shape: (C, H, W) of the noise, and of the picture.
        width: hidden channels of the networks.
        couplings: their number, at least 1; 4 as for the noise in the paper.
        transform: the elementwise map, shared by all couplings; None: an `Affine` each.

    Errors: ConfigError for less than one coupling.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        width: int = 32,
        couplings: int = 4,
        transform: Elementwise | None = None,
    ):
        super().__init__(())
        if couplings < 1:
            raise ConfigError(f"NoiseFlow: couplings={couplings}: give at least 1, or use Dequantised")
        self.shape, self.width, self.couplings, self.transform = tuple(shape), width, couplings, transform
        channels = self.shape[0]
        for i in range(couplings):
            one = transform if transform is not None else Affine()
            network = CouplingConvNet(channels, one.outputs * channels, width, spatial=channels)
            self.steps.append(Coupling(network, "checkerboard", i % 2, one))
