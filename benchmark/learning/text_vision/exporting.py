"""A trained text encoder as a folder that `transformers` loads: configuration, weights as safetensors, tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.numpy import load

from benchmark.data.stages import ARRAYS, CARD, MEND, stages_folder
from benchmark.learning.text_vision.language import LanguageModel, Size
from benchmark.learning.text_vision.wordpiece import END, MASK, PAD, SPECIAL, START, UNKNOWN
from benchmark.system.errors import BenchmarkError
from benchmark.system.files import check_sealed

NAMES = {"bos_token": START, "eos_token": END, "unk_token": UNKNOWN, "pad_token": PAD, "mask_token": MASK}


def write_encoder(model: LanguageModel, folder: Path) -> None:
    """Write what `AutoModel` and `AutoTokenizer` load. A text's vector is the mean of the last layer's states over all tokens.

    Raises `BenchmarkError` where the folder holds files already.
    """
    from transformers import PreTrainedTokenizerFast

    if folder.is_dir() and any(folder.iterdir()):
        raise BenchmarkError(f"{folder} is not empty: name a new folder")
    special = {name: SPECIAL[number] for name, number in NAMES.items()}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=model.pieces.tokenizer,
        model_max_length=model.size.longest,
        model_input_names=["input_ids", "attention_mask"],
        **special,
    )
    tokenizer.save_pretrained(folder)
    model.network.save_pretrained(folder)


def stored_encoder(digest: str) -> LanguageModel:
    """The text encoder of a stage on this machine, `language` or `matching`, by the beginning of its digest.

    Raises `BenchmarkError` where there is none, where several begin so, or where the stage holds no text encoder.
    """
    found = sorted(stages_folder().glob(f"{digest}*/{CARD}")) if digest.isalnum() else []
    if len(found) != 1:
        raise BenchmarkError(f"{len(found)} stages on this machine begin with '{digest}': `show stages` lists them")
    folder = found[0].parent
    check_sealed(folder, MEND)
    arrays = load((folder / ARRAYS).read_bytes())
    if "vocabulary" not in arrays:
        card = json.loads(found[0].read_text("utf-8"))
        raise BenchmarkError(f"stage {card['stage']} of {card['owner']} holds no text encoder: name `language` or `matching`")
    settings = json.loads(found[0].read_text("utf-8"))["ingredients"]["configuration"]
    size = Size(*(int(settings[name]) for name in ("text_width", "text_layers", "longest")))
    return LanguageModel.from_arrays(arrays, size)
