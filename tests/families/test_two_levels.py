"""VQ-VAE-2: both levels are coded, the bottom given the top, and follow their own vectors."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded
from morphogen.data import Pictures
from morphogen.families.vae import TwoLevelVQVAE
from morphogen.numerics.randomness import Rng
from morphogen.representations import Pixels
from morphogen.systems.vqvae2 import two_level_autoencoder
from morphogen.testing import check_model
from morphogen.training import train

ROWS = 16


def pictures(seed: int = 0) -> Tensor:
    shade = Rng(seed, ROWS).fork("shade").integers(17, 1, 1, 1).float() / 8 - 1
    return Pixels(17, (1, 8, 8)).to_grid(shade + 0.3 * Rng(seed, ROWS).normal(1, 8, 8))


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), 64.0))


def prepared() -> Any:
    torch.manual_seed(0)
    vae = two_level_autoencoder(Pixels(17, (1, 8, 8)), "tiny").objective
    vae.prepare(encoded(pictures()), None, Rng(0, ROWS))
    return vae.eval()


def test_the_loss_is_that_of_the_ids() -> None:
    vae, x = prepared(), pictures(1)
    ids, log_q = vae.encode(x, Rng(0, ROWS))
    assert {name: tuple(level.shape[1:]) for name, level in ids.items()} == vae.latent_shape
    assert vae.latent_shape == {"top": (2, 2), "bottom": (4, 4)} and not log_q.any()
    losses = vae.losses(encoded(x), None, Rng(0, ROWS), "model")
    torch.testing.assert_close(losses.terms["reconstruction"], -vae.log_conditional(x, ids))
    for name in ids:  # the decoder receives both levels
        other = {**ids, name: (ids[name] + 1) % 8}
        assert (vae.log_conditional(x, other) - vae.log_conditional(x, ids)).abs().min() > 0.01


def test_the_commitment_is_the_distance_to_the_codes_of_both_levels() -> None:
    vae, x = prepared(), pictures(1)
    h = vae.encoder(x, None)
    z_top = vae.top_encoder(h, None)
    top = vae.top.decode(vae.top.encode(z_top))
    z_bottom = vae.bottom_encoder(torch.cat([h, vae.top_decoder(top, None)], 1), None)
    bottom = vae.bottom.decode(vae.bottom.encode(z_bottom))
    expected = 0.25 * sum((z - e).square().flatten(1).sum(1) for z, e in ((z_top, top), (z_bottom, bottom)))
    losses = vae.losses(encoded(x), None, Rng(0, ROWS), "model")
    torch.testing.assert_close(losses.terms["commitment"], expected)


def test_the_gradient_passes_through_both_codes() -> None:
    """d loss / d z_top is that of a decoder of the codes, and of the bottom encoder, plus the commitment."""
    vae, x = prepared(), pictures(1)
    h = vae.encoder(x, None).detach()
    z = vae.top_encoder(h, None).detach().requires_grad_()
    vae.encoder.forward, vae.top_encoder.forward = lambda x, context: h, lambda h, context: z
    losses = vae.losses(encoded(x), None, Rng(0, ROWS), "model")
    gradient = torch.autograd.grad(losses.total.sum(), z)[0]
    codes = vae.top.decode(vae.top.encode(z)).requires_grad_()
    up = vae.top_decoder(codes, None)
    z_bottom = vae.bottom_encoder(torch.cat([h, up], 1), None)
    bottom = vae.bottom.decode(vae.bottom.encode(z_bottom))
    straight = bottom + z_bottom - z_bottom.detach()
    nll = -vae.likelihood.log_prob(x, vae.network(torch.cat([straight, up], 1), None))
    loss = nll.sum() + 0.25 * (z_bottom - bottom).square().sum()
    expected = torch.autograd.grad(loss, codes)[0] + 0.5 * (z - codes).detach()
    torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-4)


def test_each_level_follows_its_own_vectors() -> None:
    """The same averages as those of two codebooks alone; no other tensor changes."""
    vae, x = prepared(), pictures(1)
    before = {name: value.clone() for name, value in vae.state_dict().items()}
    losses = vae.losses(encoded(x), None, Rng(0, ROWS), "model")
    vae.update_from_statistics(losses.statistics, 0)
    for name, book in vae.levels.items():
        counts = torch.bincount(vae_ids(before, x)[name].flatten(), minlength=8)
        expected = 0.99 * before[f"{name}.counts"] + 0.01 * counts
        torch.testing.assert_close(book.counts, expected)
    changed = {name for name, value in vae.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"{name}.{part}" for name in vae.levels for part in ("counts", "sums", "vectors")}
    assert losses.metrics.keys() == {
        f"{name} {figure}" for name in vae.levels for figure in ("perplexity", "dead codes")
    }


def vae_ids(state: dict[str, Tensor], x: Tensor) -> Any:
    vae = prepared()
    vae.load_state_dict(state)
    return vae.encode(x, Rng(0, ROWS))[0]


def test_too_few_rows_and_values_out_of_range_are_refused() -> None:
    model = two_level_autoencoder(Pixels(17, (1, 8, 8)), "small")
    with pytest.raises(
        ConfigError, match=r"codes=256\): the first batch has 64 vectors only \(16 rows of 4\)"
    ):
        train(model, pictures(), steps=1, device="cpu")
    arguments = {**model.objective.arguments, "commitment": -1.0}
    with pytest.raises(ConfigError, match="commitment=-1"):
        TwoLevelVQVAE(**arguments)


def test_alone_it_is_a_model_with_uniform_codes() -> None:
    """log p(x) >= log p(x | top, bottom) - (4 + 16) log 8, and all laws hold."""
    torch.manual_seed(0)
    model, x = two_level_autoencoder(Pixels(17, (1, 8, 8)), "tiny"), pictures(1)
    model.objective.prepare(encoded(x), None, Rng(0, ROWS))
    ids = model.objective.encode(x, Rng(0, ROWS))[0]
    expected = model.objective.log_conditional(x, ids) - 20 * math.log(8)
    torch.testing.assert_close(model.objective.log_prob(encoded(x), None, Rng(0, ROWS)).nats, expected)
    drawn = model.objective.sample_latents(None, Rng(0, 400), 1.0)
    counts = torch.cat([level.flatten() for level in drawn.values()]).bincount(minlength=8)
    assert (counts / 8000 - 1 / 8).abs().max() < 4 * math.sqrt(7 / 64 / 8000)  # 4 sigma, seed 0
    check_model(model, Pictures(((x + 1) * 8).round().byte(), 17)[torch.arange(ROWS)])
