"""Files of low-rank updates: three kinds of names, the same update; what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from benchmarks.peers.diffusers_pipeline import SIZES, write_pipeline
from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.interop.lora_files import read_lora, write_lora
from morphogen.interop.stable_diffusion import read_stable_diffusion, write_stable_diffusion
from morphogen.networks.low_rank import LowRank

pytest.importorskip("diffusers")
BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0"
LAYERS = (  # of the U-Net: parts of joint matrices, halves, a projection and a convolution
    *(f"{BLOCK}.attn1.to_q", f"{BLOCK}.attn1.to_v", f"{BLOCK}.attn2.to_k", f"{BLOCK}.attn2.to_out.0"),
    *(f"{BLOCK}.ff.net.0.proj", "mid_block.attentions.0.proj_in", "up_blocks.1.resnets.0.conv1"),
)
TEXT_LAYER = "text_model.encoder.layers.0.self_attn.q_proj"
ALPHA = 3.0


@pytest.fixture(scope="module", params=[False, True], ids=["1.x", "2.x"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    path = tmp_path_factory.mktemp("stable-diffusion")
    return path, write_pipeline(path, linear=request.param)


def factors(pipeline: Any) -> dict[str, tuple[Tensor, Tensor]]:
    """Random (down, up) of each layer, of rank 2, by its name in the pipeline."""
    torch.manual_seed(3)
    found = {}
    for part, layers in (("unet", LAYERS), ("text_encoder", (TEXT_LAYER,))):
        for layer in layers:
            weight = getattr(pipeline, part).get_parameter(_own_name(part, layer))
            ones = (1,) * (weight.ndim - 2)
            down, up = 0.3 * torch.randn(2, *weight.shape[1:]), 0.3 * torch.randn(len(weight), 2, *ones)
            found[f"{part}.{layer}"] = down, up
    return found


def _own_name(part: str, layer: str) -> str:
    name = f"{layer}.weight"
    return name.removeprefix("text_model.") if part == "text_encoder" else name


def peft(found: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    named = {}
    for layer, (down, up) in found.items():
        named |= {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up * ALPHA / 2}
    return named


def kohya(found: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    named = {}
    for layer, (down, up) in found.items():
        name = layer.replace("text_encoder", "te", 1).replace(".", "_")
        named |= {f"lora_{name}.lora_down.weight": down, f"lora_{name}.lora_up.weight": up}
        named[f"lora_{name}.alpha"] = torch.tensor(ALPHA)
    return named


def processors(found: dict[str, tuple[Tensor, Tensor]]) -> dict[str, Tensor]:
    """diffusers before 2024, whose attention layers are named after their processor."""
    named = {}
    for layer, (down, up) in found.items():
        head, _, last = layer.removesuffix(".0").rpartition(".")
        attends = ".attn" in layer
        name = f"{head}.processor.{last}_lora" if attends else f"{layer}.lora"
        named |= {f"{name}.down.weight": down, f"{name}.up.weight": up * ALPHA / 2}
    return named


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.manual_seed(4)
    x, tokens = (
        torch.randn(2, 4, 8, 8, generator=generator),
        torch.randn(2, 5, SIZES["tiny"]["text"], generator=generator),
    )
    return x, torch.tensor([10, 900]), tokens


@torch.no_grad()
def updated(pipeline: Any, found: dict[str, tuple[Tensor, Tensor]], scale: float) -> Tensor:
    """The output of their U-Net with the updates added to its weights, which are restored."""
    before = {name: value.clone() for name, value in pipeline.unet.state_dict().items()}
    for name, (down, up) in found.items():
        part, _, layer = name.partition(".")
        if part == "unet":
            weight = pipeline.unet.get_parameter(f"{layer}.weight")
            weight += scale * ALPHA / 2 * (up.flatten(1) @ down.flatten(1)).view(weight.shape)
    x, t, tokens = inputs()
    output = pipeline.unet.eval()(x, t, tokens).sample
    pipeline.unet.load_state_dict(before)
    return output


@torch.no_grad()
def output(model: Any) -> Tensor:
    x, t, tokens = inputs()
    return model.objective.network(x, t / 1000, Context(tokens=tokens))


@pytest.mark.parametrize("names", [peft, kohya, processors])
def test_the_update_is_that_of_the_file_and_the_model_stays_as_it_is(
    folder: tuple[Path, Any], names: Callable, tmp_path: Path
) -> None:
    path, pipeline = folder
    model, found = read_stable_diffusion(path), factors(pipeline)
    save_file(names(found), tmp_path / "lora.safetensors")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = read_lora(model, tmp_path / "lora.safetensors", scale=0.5)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    expected = updated(pipeline, found, 0.5)
    assert (output(model) - expected).abs().max() > 1e-2
    assert (output(adapted) - expected).abs().max() <= 1e-4
    assert not torch.equal(*(_vector(one) for one in (model, adapted)))


def _vector(model: Any) -> Tensor:
    context = model.context(model.conditions("red", 1), 1)
    assert context is not None and context.vector is not None
    return context.vector


def test_updates_are_written_with_their_rank_and_read_again(folder: tuple[Path, Any], tmp_path: Path) -> None:
    path, pipeline = folder
    model, found = read_stable_diffusion(path), peft(factors(pipeline))
    unet = {name: value for name, value in found.items() if name.startswith("unet")}
    save_file(unet, tmp_path / "lora.safetensors")
    adapted = read_lora(model, tmp_path / "lora.safetensors")
    write_lora(adapted, tmp_path / "written.safetensors")
    written = load_file(tmp_path / "written.safetensors")
    assert {name: value.shape for name, value in unet.items()}.items() <= {
        name: value.shape for name, value in written.items()
    }.items()
    again = read_lora(model, tmp_path / "written.safetensors")
    assert torch.allclose(output(again), output(adapted), atol=1e-5)
    twice = read_lora(adapted, tmp_path / "lora.safetensors")
    assert isinstance(twice.objective.network.network, LowRank)  # type: ignore[union-attr]
    merged = read_lora(model, tmp_path / "lora.safetensors", scale=2.0)
    assert torch.allclose(output(twice), output(merged), atol=1e-5)
    write_stable_diffusion(twice, tmp_path / "merged")
    assert torch.allclose(output(read_stable_diffusion(tmp_path / "merged")), output(twice), atol=1e-5)
    write_lora(twice, tmp_path / "twice.safetensors")
    assert torch.allclose(output(read_lora(model, tmp_path / "twice.safetensors")), output(twice), atol=1e-5)


def update(layer: str, outputs: int, inputs: int) -> dict[str, Tensor]:
    return {f"{layer}.lora_A.weight": torch.ones(1, inputs), f"{layer}.lora_B.weight": torch.ones(outputs, 1)}


QUERY = f"unet.{BLOCK}.attn1.to_q.lora_A.weight"
REFUSED: dict[str, tuple[dict[str, Tensor], str]] = {
    "another layer": (update("unet.blocks.7.to_q", 8, 8), "unet_blocks_7_to_q is not a layer of this model"),
    "another width": (
        update(f"unet.{BLOCK}.attn2.to_k", 32, 99),
        r"an update \[32, 1\] x \[1, 99\] of a layer that is \[32, 16\]",
    ),
    "half of an update": ({QUERY: torch.ones(1, 32)}, "lacks its up matrix"),
    "another kind": ({f"lora_unet_{BLOCK}.hada_w1_a": torch.ones(1)}, "is not of a LoRA of this kind"),
    "no numbers": ({QUERY: torch.full((1, 32), torch.nan)}, "non-finite"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_for_another_model_is_refused(case: str, folder: tuple[Path, Any], tmp_path: Path) -> None:
    tensors, words = REFUSED[case]
    file = tmp_path / "lora.safetensors"
    save_file(tensors, file)
    with pytest.raises(ConfigError, match=words) as error:
        read_lora(read_stable_diffusion(folder[0]), file)
    assert str(error.value).startswith(str(file)) and "\n" not in str(error.value)
