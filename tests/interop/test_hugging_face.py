"""GPT-2 and LLaMA folders: equal logits in transformers, round trips, one-line errors for damaged folders."""

import json
import random
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from morphogen.component import ConfigError
from morphogen.interop.gpt2 import read_gpt2, write_gpt2
from morphogen.interop.llama import read_llama, write_llama
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block
from morphogen.networks.decoders import gpt2, llama, palm
from morphogen.networks.feed_forward import SwiGLU
from morphogen.networks.normalization import RMSNorm
from morphogen.networks.relative_positions import ALiBi, LinearScaling, Llama3Scaling, Rotary
from morphogen.networks.transformer import Tied, Transformer

V, LENGTH = 50, 24
NETWORKS = {
    "gpt2": lambda: gpt2(V, LENGTH, 32, 3, 4),
    "gpt2, start of the vocabulary": lambda: gpt2(V, LENGTH, 32, 2, 4, start=49, exact=True),
    "gpt2 without biases": lambda: gpt2(V, LENGTH, 32, 2, 4, bias=False, start=0),
    "llama": lambda: llama(V, LENGTH, 32, 3, 4, 4, 48, start=1),
    "llama, shared keys, tied": lambda: llama(V, LENGTH, 32, 2, 4, 2, 48, tied=True),
    "llama, wide heads, base": lambda: llama(V, LENGTH, 32, 2, 2, 1, 48, head_width=24, base=500.0, start=1),
    "llama, linear": lambda: llama(V, LENGTH, 32, 2, 4, 2, 48, start=1, scaling=LinearScaling(4.0)),
    "llama 3": lambda: llama(V, LENGTH, 32, 2, 4, 2, 48, start=1, scaling=Llama3Scaling(8.0, 1.0, 4.0, 16)),
}


def build(name: str) -> Transformer:
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    for p in network.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return network


def adapters(name: str):
    return (read_gpt2, write_gpt2) if name.startswith("gpt2") else (read_llama, write_llama)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_written_folder_opens_in_transformers_and_reads_back(name: str, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    network, (read, write) = build(name), adapters(name)
    write(network, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    x = torch.randint(V, (3, LENGTH))
    inputs = torch.cat([torch.full((3, 1), network.start or 0), x[:, :-1]], 1)
    with torch.no_grad():
        ours = network(x, None)
        torch.testing.assert_close(ours, theirs(inputs).logits[..., :V], atol=1e-4, rtol=0)
        torch.testing.assert_close(read(tmp_path)(x, None), ours, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_folder_of_transformers_reads(kind: str, tmp_path: Path) -> None:
    """Without a start token, our logits at position i are theirs at i - 1."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    if kind == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=V, n_positions=LENGTH, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
        )
        theirs, read = transformers.GPT2LMHeadModel(config).eval(), read_gpt2
    else:
        config = transformers.LlamaConfig(
            vocab_size=V,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=LENGTH,
            bos_token_id=0,
            rms_norm_eps=1e-5,
        )
        theirs, read = transformers.LlamaForCausalLM(config).eval(), read_llama
    theirs.save_pretrained(tmp_path)
    x = torch.randint(V, (2, LENGTH))
    with torch.no_grad():
        logits = theirs(x).logits
        torch.testing.assert_close(
            read(tmp_path, prepend_start=False)(x, None)[:, 1:], logits[:, :-1], atol=1e-4, rtol=0
        )


def unsupported() -> dict:
    def network(attention: Attention, **changes) -> Transformer:
        block = Block(attention, SwiGLU(16, 8), RMSNorm(16))
        return Transformer(V, 8, block, 1, None, changes.get("head", Tied()), 0)

    rotary = Rotary(4, 8)
    return {
        "ALiBi": network(Attention(16, 4, bias=False, positions=ALiBi(4))),
        "window": network(Attention(16, 4, bias=False, positions=rotary, window=3)),
        "biases": network(Attention(16, 4, positions=rotary)),
        "scaled head": network(Attention(16, 4, bias=False, positions=rotary), head=Tied(logit_scale=0.5)),
        "ParallelBlock": palm(V, 8, 16, 1, 2, 8, 8),
        "untied": llama(V, 8, 16, 1, 2, 2, 8),
    }


@pytest.mark.parametrize("what", unsupported())
def test_unsupported_networks_are_rejected(what: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=what) as error:
        write_llama(unsupported()[what], tmp_path / "out")
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="GPT-2 does not support"):
        write_gpt2(unsupported()[what], tmp_path / "out")


def damage(folder: Path, rng: random.Random) -> None:
    """Damage a folder in one of six ways, one byte or one name at a time."""
    config, weights = folder / "config.json", folder / "model.safetensors"
    way = rng.choice(["config byte", "header byte", "cut", "number", "missing", "shape"])
    if way in ("config byte", "header byte"):
        path = config if way == "config byte" else weights
        data = bytearray(path.read_bytes())
        data[rng.randrange(min(len(data), 2000))] = rng.randrange(256)
        path.write_bytes(data)
    elif way == "cut":
        path = rng.choice([config, weights])
        path.write_bytes(path.read_bytes()[: rng.randrange(path.stat().st_size)])
    elif way == "number":
        values = json.loads(config.read_text())
        values[rng.choice(list(values))] = rng.choice([None, -1, 0, 3.5, "many", [], {}, 10**12, True, 7])
        config.write_text(json.dumps(values))
    else:
        tensors = load_file(weights)
        name = rng.choice(sorted(tensors))
        tensor = tensors.pop(name)
        if way == "shape":
            tensors[name] = rng.choice(
                [tensor[:-1], tensor[None], tensor.long(), tensor * torch.nan]
            ).contiguous()
        save_file(tensors, weights)


@pytest.mark.parametrize("name", ["gpt2", "llama, shared keys, tied"])
def test_a_damaged_folder_reads_or_raises_a_one_line_error(name: str, tmp_path: Path) -> None:
    """100 seeded damages of each; a changed digit may give a valid network, everything else is rejected."""
    network, (read, write) = build(name), adapters(name)
    rejected = 0
    for seed in range(100):
        folder = tmp_path / str(seed)
        write(network, folder)
        damage(folder, random.Random(seed))
        try:
            read(folder)
        except ConfigError as error:
            rejected += 1
            assert "\n" not in str(error) and str(folder) in str(error)
    assert rejected >= 50


def test_an_index_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    write_gpt2(build("gpt2"), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors.index.json").write_text(
        '{"weight_map": {"wte.weight": "../else.safetensors"}}'
    )
    with pytest.raises(ConfigError, match="not in the folder"):
        read_gpt2(tmp_path)
