"""Our CLIP and that of transformers give the same numbers, with random weights read from its folder."""

import json
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.caption import caption_bytes
from morphogen.interop.clip import MEAN, STD, read_clip, write_clip
from morphogen.interop.clip_text import read_clip_text, write_clip_text
from morphogen.interop.clip_tokenizer_files import read_clip_tokenizer, write_clip_tokenizer

transformers = pytest.importorskip("transformers")

TEXT = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 12,
    "bos_token_id": 48,
    "eos_token_id": 49,
    "pad_token_id": 49,
}


def perturbed(model: Any) -> Any:
    """The model with all weights awake, norms and biases among them."""
    torch.manual_seed(0)
    for p in model.parameters():
        p.data += 0.1 * torch.randn_like(p)
    return model.eval()


@pytest.fixture(scope="module", params=["quick_gelu", "gelu"])
def text(request: pytest.FixtureRequest) -> Any:
    config = transformers.CLIPTextConfig(**TEXT, hidden_act=request.param)
    return perturbed(transformers.CLIPTextModel(config))


def ragged() -> tuple[Tensor, Tensor]:
    """Ids of 3 texts of 10, 4 and 0 tokens, and their mask."""
    torch.manual_seed(1)
    mask = torch.arange(10) < torch.tensor([[10], [4], [0]])
    return torch.where(mask, torch.randint(48, (3, 10)), -1), mask


def framed(ids: Tensor, mask: Tensor, padding: int) -> Tensor:
    rows = [torch.tensor([48, *row[valid].tolist(), 49]) for row, valid in zip(ids, mask, strict=True)]
    return torch.stack([torch.nn.functional.pad(row, (0, 12 - len(row)), value=padding) for row in rows])


@pytest.mark.parametrize("padding", [49, 0])
def test_text_encoder(text: Any, padding: int, tmp_path: Path) -> None:
    """Tokens of the last layer and of the one before it, and the vector; padded as Stable Diffusion does."""
    text.save_pretrained(tmp_path)
    ids, mask = ragged()
    with torch.no_grad():
        theirs = text(framed(ids, mask, padding), output_hidden_states=True)
        before = dict(text.named_modules())["final_layer_norm"](theirs.hidden_states[-2])
        last, skipped, short = (
            read_clip_text(tmp_path, *arguments)(ids, mask) for arguments in ((padding,), (padding, 1), ())
        )
    assert last.tokens is not None and last.vector is not None and last.mask is None
    torch.testing.assert_close(last.tokens, theirs.last_hidden_state, atol=1e-5, rtol=0)
    torch.testing.assert_close(last.vector, theirs.pooler_output, atol=1e-5, rtol=0)
    torch.testing.assert_close(skipped.tokens, before, atol=1e-5, rtol=0)
    torch.testing.assert_close(skipped.vector, last.vector, atol=0, rtol=0)
    assert short.tokens is not None and short.mask is not None
    assert torch.equal(short.mask.sum(1), torch.tensor([12, 6, 2]))
    torch.testing.assert_close(short.tokens, last.tokens * short.mask[..., None], atol=1e-5, rtol=0)
    torch.testing.assert_close(short.vector, last.vector, atol=1e-5, rtol=0)


def test_text_encoder_is_written_back(text: Any, tmp_path: Path) -> None:
    text.save_pretrained(tmp_path)
    write_clip_text(read_clip_text(tmp_path), tmp_path / "ours")
    again = transformers.CLIPTextModel.from_pretrained(tmp_path / "ours")
    assert all(torch.equal(p, again.state_dict()[name]) for name, p in text.state_dict().items())
    inputs = torch.randint(49, (2, 12))
    assert torch.equal(text(inputs).last_hidden_state, again.eval()(inputs).last_hidden_state)


def test_end_token_of_older_files(tmp_path: Path) -> None:
    """They name 2, and the end token is the last of the vocabulary."""
    config = transformers.CLIPTextConfig(**TEXT | {"eos_token_id": 2, "bos_token_id": 0})
    theirs = perturbed(transformers.CLIPTextModel(config))
    theirs.save_pretrained(tmp_path)
    ids, mask = ragged()
    with torch.no_grad():
        vector = read_clip_text(tmp_path)(ids, mask).vector
        torch.testing.assert_close(vector, theirs(framed(ids, mask, 0)).pooler_output, atol=1e-5, rtol=0)


PIECES = ["<|startoftext|>", "<|endoftext|>"]
MERGES = ["r e", "re d</w>", "b l", "bl u", "blu e</w>", "c a", "ca t</w>"]


def vocabulary() -> dict[str, int]:
    """CLIP's layout: the letters of bytes, the same at the end of a word, merges, special tokens."""
    letters = [chr(33 + i) for i in range(94)] + [chr(161 + i) for i in range(12)]
    letters += [chr(174 + i) for i in range(82)] + [chr(256 + i) for i in range(68)]
    pieces = letters + [f"{letter}</w>" for letter in letters] + [pair.replace(" ", "") for pair in MERGES]
    return {piece: i for i, piece in enumerate([*pieces, *PIECES])}


def write_tokenizer(folder: Path) -> Any:
    """Files of a tokenizer as those of CLIP; returns transformers' tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps(vocabulary()))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]))
    return transformers.CLIPTokenizer.from_pretrained(folder)


WORDS = ["a red cat", "Blue  CATS, and a red-blue 'cat's", "猫 ünïcode 123", "", "it's\tred\n!"]


def test_tokenizer(tmp_path: Path) -> None:
    """The ids of texts in mixed case, other scripts and with runs of spaces, from both kinds of files."""
    theirs = write_tokenizer(tmp_path)
    ours = read_clip_tokenizer(tmp_path)
    write_clip_tokenizer(ours, tmp_path / "ours")
    again = transformers.CLIPTokenizer.from_pretrained(tmp_path / "ours")
    theirs.save_pretrained(tmp_path / "theirs")
    for text in WORDS:
        ids = theirs(text)["input_ids"]
        assert ids == [ours.start, *ours.ids(text), ours.end] == again(text)["input_ids"]
        assert ours.ids(text) == read_clip_tokenizer(tmp_path / "theirs").ids(text)
        assert ours.ids(text) == read_clip_tokenizer(tmp_path / "ours").ids(text)
    assert ours.end not in ours.ids("<|endoftext|>")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A folder of CLIP, transformers' model of it and its processor."""
    folder = tmp_path_factory.mktemp("clip")
    tokenizer, ids = write_tokenizer(folder), vocabulary()
    text = TEXT | {"vocab_size": len(ids), "max_position_embeddings": 40}
    text |= {"bos_token_id": ids[PIECES[0]], "eos_token_id": ids[PIECES[1]]}
    vision = {"hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 3}
    config = transformers.CLIPConfig(
        text_config=text, vision_config=vision | {"image_size": 12, "patch_size": 4}, projection_dim=8
    )
    model = perturbed(transformers.CLIPModel(config))
    model.save_pretrained(folder)
    return folder, model, tokenizer


def theirs_logits(model: Any, tokenizer: Any, pictures: Tensor) -> Tensor:
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    inputs = tokenizer(WORDS, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(pixel_values=((pictures + 1) / 2 - mean) / std, **inputs).logits_per_image


def test_clip(folder: tuple[Path, Any, Any], tmp_path: Path) -> None:
    """Logits of 4 pictures and 5 texts, from the folder, and after it has been written and read again."""
    path, model, tokenizer = folder
    ours, pictures = read_clip(path), 2 * torch.rand(4, 3, 12, 12, generator=torch.manual_seed(2)) - 1
    context = ours.context({"caption": caption_bytes(WORDS)}, len(WORDS))
    with torch.no_grad():
        logits = ours.objective.similarity(pictures, context)  # type: ignore[operator]
    torch.testing.assert_close(logits, theirs_logits(model, tokenizer, pictures), atol=1e-5, rtol=1e-5)
    write_clip(ours, tmp_path)
    again = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    assert all(torch.equal(p, again.state_dict()[name]) for name, p in model.state_dict().items())
    there = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    torch.testing.assert_close(logits, theirs_logits(again, there, pictures), atol=1e-5, rtol=1e-5)
    assert read_clip(tmp_path).objective.network.mean == MEAN  # type: ignore[union-attr]


def damage(folder: Path, file: str, change: Any) -> None:
    """Change the values of a JSON file."""
    values = json.loads((folder / file).read_text())
    change(values)
    (folder / file).write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("config.json", lambda c: c.update(model_type="bert"), "unsupported model_type 'bert'"),
        ("config.json", lambda c: c.pop("text_config"), "text_config must be a JSON object"),
        ("config.json", lambda c: c["vision_config"].update(patch_size=5), "patches of 5 do not divide"),
        ("config.json", lambda c: c["vision_config"].update(image_size=16), "has shape .* requires"),
        ("config.json", lambda c: c["text_config"].update(vocab_size=20), "must be an id|pieces"),
        ("config.json", lambda c: c["text_config"].update(num_hidden_layers=99999), "num_hidden_layers"),
        ("vocab.json", lambda v: v.pop("<|endoftext|>"), "has no token '<|endoftext|>'|not a valid"),
        ("vocab.json", lambda v: v.update(a="x"), "must have an id"),
    ],
)
def test_damaged_folders_are_refused_in_one_line(
    folder: tuple[Path, Any, Any], file: str, change: Any, message: str, tmp_path: Path
) -> None:
    copytree(folder[0], tmp_path / "clip")
    damage(tmp_path / "clip", file, change)
    with pytest.raises(ConfigError, match=message) as error:
        read_clip(tmp_path / "clip")
    assert "\n" not in str(error.value)


def test_missing_parts_are_named(folder: tuple[Path, Any, Any], tmp_path: Path) -> None:
    for file in ("config.json", "model.safetensors", "merges.txt"):
        copytree(folder[0], tmp_path / file)
        (tmp_path / file / file).unlink()
        with pytest.raises(ConfigError, match=file):
            read_clip(tmp_path / file)
    with pytest.raises(ConfigError, match=r"has no tokenizer: give a folder with vocab\.json"):
        read_clip_tokenizer(tmp_path)


def test_only_clip_is_written(folder: tuple[Path, Any, Any], tmp_path: Path) -> None:
    model = read_clip(folder[0])
    model.objective.condition_network = torch.nn.Identity()
    with pytest.raises(ConfigError, match="CLIP has no Identity for the Projection: save it with"):
        write_clip(model, tmp_path)
