r"""A diffusion model learns to draw digits in a minute, and is steered by their names: the whole of DDPM on one page.

    x_t = alpha_t x_0 + sigma_t eps,       loss = |eps - network(x_t, t, label)|^2

Run it (python examples/small_diffusion.py) and open runs/small-diffusion/digits.png: a row for each strength of guidance, a
column for each digit that was asked for. Then change a number below and run it again.
"""

from pathlib import Path

import torch

import morphogen as mg
from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.evaluation.sheet import sheet
from morphogen.families.diffusion import Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Cosine, Plan

STEPS = 100  # of noise, T
CHANNELS = 24  # of the network
VECTOR = 64  # numbers that stand for a label
DROPPED = 0.2  # share of the rows that lose their label, so that the network also learns p(x)
PLAN = Plan(Adam(3e-3), batch=64, schedule=Cosine(warmup=20), ema=0.995, clip=1.0)
GUIDANCE = (1.0, 3.0)  # 1 is the law it learned; 3 pushes away from p(x), towards p(x | label)
DENOISINGS = 25  # calls of the network a sample takes, of the chain's 100
TESTED = 64  # held-out digits whose likelihood is bounded


def compose(data) -> mg.Model:
    """A generative model is four parts: objective (with its network), representation, conditioner, and the plan that trains it."""
    pixels = data.representation  # 1 x 8 x 8 numbers in [-1, 1], on a grid of 17 levels
    objective = Diffusion(
        network=UNet(pixels.shape, CHANNELS, multipliers=(1, 2), blocks=1, heads=2, vector=VECTOR),
        schedule=LinearBetas(start=0.02, end=0.2, steps=STEPS),
        decoder=DiscretizedGaussian(pixels.levels),  # noise to pixels: what makes the bound one of a mass, in bits
        variance="posterior",
        bound_steps=40,
    )
    conditioner = ConditionDropout(Label(len(data.classes), VECTOR), p=DROPPED)
    return mg.Model(objective, pixels, conditioner, PLAN)


def bits_per_dim(model: mg.Model, data) -> float:
    """An upper bound of what a pixel of a held-out digit costs; log2(17) = 4.09 for a model that knows nothing."""
    batch = data.test.first(TESTED)
    return model.log_prob(batch.medium, batch.condition).bits_per_dim.mean().item()


def main(seconds: float = 60.0, folder: str = "runs/small-diffusion", seed: int = 0) -> float:
    """Train for so long, bound the likelihood, draw every digit at every strength of guidance; the bound in bits per pixel."""
    data = mg.load_data("digits")
    torch.manual_seed(seed)  # where the weights start
    model = compose(data)
    print(model)  # the composition, as the expression that makes it
    print(f"before: at most {bits_per_dim(model, data):.2f} bits a pixel")

    trained = mg.train(model, data.train, time=seconds, seed=seed)
    found = bits_per_dim(model, data)
    print(f"after {trained.steps} steps: at most {found:.2f} bits a pixel")

    digits = torch.arange(len(data.classes)).repeat(2)
    real = data.train.first()
    of_each = [data.representation.present(real.medium[real.condition == d][:2]) for d in range(len(data.classes))]
    rows = {"real": [pictures[i] for i in (0, 1) for pictures in of_each]}
    for scale in GUIDANCE:
        samples = model.sample(len(digits), digits, mg.Guided(mg.DDIM(steps=DENOISINGS), scale), seed=seed)
        rows[f"guidance {scale:g}"] = samples.decode()
    path = Path(folder) / "digits.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(rows).save(path)
    print(path)
    return found


if __name__ == "__main__":
    main()
