r"""ControlNet: a trained diffusion model, frozen, that a second encoder steers by sketches.

    v_theta(x_t, t)                          the base, trained first and then frozen
    feature_i + Z_i copy_i(x_t, sketch)      the control: a copy of the base's encoder, Z_i = 0 at first

Paper: Adding conditional control to text-to-image diffusion models, Zhang, Rao & Agrawala, 2023.
The paper steers Stable Diffusion; here the base is `v_diffusion` of the same data, so that what control adds
can be compared with `sketch_to_picture`, which is trained on sketches from the start. "paper": its CIFAR-10
network. Masks, depth and a base of captions: `networks.ControlNet` with `conditioning.Plane`. The data must
have sketches: `morphogen train controlnet --data DATA --condition sketch`.
Measured, small, on Fashion-MNIST: recipes/results/fashion-controlnet.json.
"""

__all__ = ["controlled", "controlnet"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.sketch import Sketch
from morphogen.conditioning.specs import Sketches
from morphogen.contract import Conditioner
from morphogen.model import Model
from morphogen.networks.controlnet import ControlNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Pixels
from morphogen.staged import Staged
from morphogen.systems import Size
from morphogen.systems.v_diffusion import PLANS, v_diffusion


def controlnet(pixels: Pixels, sketch: Sketches, size: Size = "small") -> Staged:
    """ControlNet in two stages: the diffusion of pictures, and its control by sketches."""
    base = v_diffusion(pixels, None, size)
    return Staged(base=base, control=controlled(base, ConditionDropout(Sketch(), p=0.1), PLANS[size]))


def controlled(base: Model, conditioner: Conditioner, plan: Plan) -> Model:
    """A diffusion model that is steered by the planes of a condition, and otherwise stays as it is.

    Arguments:
        base: a diffusion model with a `UNet`, which is not trained any further.
        conditioner: of planes of the size of x, with those of the base, frozen, if it has any:
            `Conditions(caption=Frozen(base.conditioner), mask=Plane("mask"))`.
        plan: of the training of the control.
    """
    network = ControlNet(base, conditioner.widths["spatial"])
    objective = type(base.objective)(**base.objective.arguments | {"network": network})
    return Model(objective, base.representation, conditioner, plan)
