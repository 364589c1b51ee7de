"""The recipe of text encoders: the same decoder with each, and what is read of its samples."""

from pathlib import Path
from typing import Any

import pytest
import torch

from morphogen.conditioning.caption import Caption, caption_bytes
from morphogen.networks.bert import Bert
from morphogen.networks.language_encoder import BidirectionalEncoder
from morphogen.recipes import records, text_encoders
from morphogen.recipes.reproduce import findings
from morphogen.representations.text import Bytes


def tiny_language_model(_: str) -> Caption:
    return Caption(Bytes(200), BidirectionalEncoder(Bert(258, 202, 8, 2, 1, 16), 256, 257))


def test_a_bag_of_words_does_not_know_their_order_and_a_tower_does() -> None:
    data = text_encoders.load_data("shapes")
    both = caption_bytes(["a red circle above a blue cross", "a blue circle above a red cross"])
    for name, same in (("bag of words", True), ("trained tower", False)):
        torch.manual_seed(0)
        context = text_encoders.ENCODERS[name](data.conditions["caption"])(both)  # type: ignore[arg-type]
        assert context.vector is not None
        assert torch.allclose(context.vector[0], context.vector[1], atol=1e-6) == same


@pytest.mark.slow
def test_every_encoder_is_measured_with_the_same_decoder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_encoders, "language_model", tiny_language_model)
    monkeypatch.setattr(text_encoders, "SIZE", "tiny")
    monkeypatch.setattr(text_encoders, "AT_ONCE", 4)
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    record: dict[str, Any] = text_encoders.text_encoders(tmp_path, steps=2, n=4, rows=40)
    assert set(record["figures"]) == {"real pictures, enlarged", *text_encoders.ENCODERS}
    assert record["figures"]["real pictures, enlarged"]["seen"]["scene"]["value"] == 1
    assert (tmp_path / "drawn.png").exists() and findings(record, None)
    records.store("text-encoders", record)  # with the tokenizer of the language model
    monkeypatch.setattr(text_encoders, "language_model", None)  # its weights are not needed
    assert records.outdated(record) == []
    assert list(record["models"]["language model"]["parts"]) == ["frozen"]
