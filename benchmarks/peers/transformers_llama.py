"""transformers (Wolf et al. 2020): `LlamaForCausalLM`, for generation and for training in "native PyTorch".

Generation is greedy, with its cache, to a fixed length (there is no end token); with vs-best it runs in bf16
where the hardware has it.
"""

__all__ = ["generation", "llama"]

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def llama(
    vocabulary: int, length: int, width: int, layers: int, heads: int, key_values: int, hidden: int
) -> Any:
    """Hugging Face's LLaMA of these sizes, with tied embeddings."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=hidden, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=key_values, max_position_embeddings=length,
        tie_word_embeddings=True, rms_norm_eps=1e-5, bos_token_id=0, eos_token_id=None, pad_token_id=0,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def generation(net: Any, prompt: Tensor, new: int) -> Callable[[], Tensor]:
    """Return a function that generates `new` tokens after prompts, int64 [B, P]."""
    mask = torch.ones_like(prompt)

    def run() -> Tensor:
        return net.generate(
            prompt, attention_mask=mask, max_new_tokens=new, min_new_tokens=new, do_sample=False
        )

    return run
