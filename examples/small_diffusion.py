r"""Train a diffusion model of digits in a minute and sample it with guidance: DDPM in one file.

    x_t = alpha_t x_0 + sigma_t eps,       loss = |eps - network(x_t, t, label)|^2

Run `python examples/small_diffusion.py` and open runs/small-diffusion/digits.png: a row per guidance scale
and a column per requested digit. Then change a number below and run it again.
"""

from pathlib import Path

import torch

import morphogen as mg
from morphogen.conditioning import ConditionDropout, Label
from morphogen.families.diffusion import Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.metrics import sheet
from morphogen.networks import UNet

STEPS = 100  # T, the number of noise levels
CHANNELS = 24  # of the network
LABEL_WIDTH = 64  # of the label embedding
LABEL_DROPOUT = 0.2  # fraction of rows without their label, from which the network also learns p(x)
PLAN = mg.Plan(mg.Adam(3e-3), batch=64, schedule=mg.Cosine(warmup=20), ema=0.995, clip=1.0)
GUIDANCE = (1.0, 3.0)  # 1: the learned distribution; 3: further away from p(x), towards p(x | label)
SAMPLING_STEPS = 25  # network calls per sample, of the chain's 100
TEST_DIGITS = 64  # held-out digits whose likelihood is bounded


def build_model(data) -> mg.Model:
    """Build the model from its four parts: objective with network, representation, conditioner and plan."""
    pixels = data.representation  # images of shape 1 x 8 x 8 in [-1, 1], with 17 levels
    objective = Diffusion(
        network=UNet(pixels.shape, CHANNELS, multipliers=(1, 2), blocks=1, heads=2, vector=LABEL_WIDTH),
        schedule=LinearBetas(beta_start=0.02, beta_end=0.2, steps=STEPS),
        decoder=DiscretizedGaussian(pixels.levels),  # p(x | x_1), a probability mass: the bound is in bits
        variance="posterior",
        bound_steps=40,
    )
    conditioner = ConditionDropout(Label(len(data.classes), LABEL_WIDTH), p=LABEL_DROPOUT)
    return mg.Model(objective, pixels, conditioner, PLAN)


def bits_per_dim(model: mg.Model, data) -> float:
    """Upper bound on the bits per pixel of held-out digits; log2(17) = 4.09 for a uniform distribution."""
    batch = data.test.first(TEST_DIGITS)
    return model.log_prob(batch.medium, batch.condition).bits_per_dim.mean().item()


def main(seconds: float = 60.0, folder: str = "runs/small-diffusion", seed: int = 0) -> float:
    """Train, bound the likelihood, and sample every digit at every guidance scale; returns the bound."""
    data = mg.load_data("digits")
    torch.manual_seed(seed)  # of the initial weights
    model = build_model(data)
    print(model)  # the model as the expression that constructs it
    print(f"before: at most {bits_per_dim(model, data):.2f} bits per pixel")

    trained = mg.train(model, data.train, time=seconds, seed=seed)
    bound = bits_per_dim(model, data)
    print(f"after {trained.steps} steps: at most {bound:.2f} bits per pixel")

    real, classes = data.train.first(), range(len(data.classes))
    pairs = [
        data.representation.present(real.medium[real.condition["label"] == digit][:2]) for digit in classes
    ]
    rows = {"real": [pair[i] for i in (0, 1) for pair in pairs]}
    digits = torch.arange(len(data.classes)).repeat(2)
    for scale in GUIDANCE:
        sampler = mg.Guided(mg.DDIM(steps=SAMPLING_STEPS), scale)
        rows[f"guidance {scale:g}"] = model.sample(len(digits), digits, sampler, seed=seed).decode()
    path = Path(folder) / "digits.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet(rows).save(path)
    print(path)
    return bound


if __name__ == "__main__":
    main()
