"""Inpainting keeps the given pixels exactly, in every system of pictures that can inpaint."""

import pytest
import torch

from morphogen.catalogue import build_system, pages
from morphogen.conditioning.sketch import edges
from morphogen.contract import Unsupported
from morphogen.inference import Inpaint, edit
from tests.laws.test_laws import specimen

INPAINTING = {
    *("autoencoder_kl_ddpm", "consistency_model", "controlnet", "ddpm", "diffusion_2015", "dit", "edm"),
    *("flow_matching", "glide", "imagen", "improved_ddpm", "latent_diffusion", "ncsn", "score_sde"),
    *("progressive_distillation", "sketch_to_picture", "stable_diffusion", "stable_diffusion_2"),
    "v_diffusion",
}
SLOW = ("autoencoder_kl_ddpm", "edm", "ncsn")  # of many steps
SYSTEMS = [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW else ())
    for name, page in pages().items()
    if page.medium == "pictures"
]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_given_pixels_are_kept_exactly(system: str) -> None:
    torch.manual_seed(0)
    pictures, mask = 2 * torch.rand(2, 1, 8, 8) - 1, torch.zeros(8, 8, dtype=torch.bool)
    mask[2:5, 3:7] = True
    model = build_system(system, *specimen(system), "tiny").eval()
    known = {"caption": ["a cat", "a dog"], "label": [3, 4], "sketch": edges(pictures), "source": pictures}
    condition = {name: known[name] for name in pages()[system].required}
    if system not in INPAINTING:
        with pytest.raises(Unsupported):
            edit(model, pictures, Inpaint(mask), 1, condition or None)
        return
    edited = edit(model, pictures, Inpaint(mask), 1, condition or None).tensor
    assert torch.equal(edited[:, :, ~mask], pictures[:, :, ~mask])
    assert not torch.equal(edited[:, :, mask], pictures[:, :, mask])
