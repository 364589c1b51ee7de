"""Our CLIP and that of transformers give the same numbers, with random weights read from its folder."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from morphogen.interop.clip_text import read_clip_text, write_clip_text

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
