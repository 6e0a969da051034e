"""SentencePiece models: whether a file holds what the tokenizers of XLM-R, CamemBERT and DeBERTa-v3 are made of.

transformers takes the pieces and scores out of the file; the library that could run the model never reads it.
"""

from pathlib import Path

from encoder_compression.data.sources.settings import TOKENIZER
from encoder_compression.errors import UserError

FILES = ("spm.model", "sentencepiece.bpe.model")  # DeBERTa's; that of XLM-R and CamemBERT, which is no BPE in spite of its name
UNIGRAM = 1  # ``TrainerSpec.ModelType`` of sentencepiece_model.proto


def require_unigram(folder: Path) -> None:
    """Raise UserError where a tokenizer would be made of a file that is no SentencePiece model of the kind Unigram.

    transformers would take a damaged file for one of tiktoken, and the scores of another kind for those of Unigram.
    """
    for name in FILES:
        if (folder / name).exists() and not (folder / TOKENIZER).exists():
            kind = _kind(folder / name)
            if kind != UNIGRAM:
                fault = "no SentencePiece model" if kind is None else "a SentencePiece model of another kind than Unigram"
                raise UserError(f"{name} of the encoder is {fault}; fetch the encoder again, or add {TOKENIZER}")


def _kind(file: Path) -> int | None:
    """Return the kind of a SentencePiece model, or None where the file is none."""
    from google.protobuf.message import DecodeError
    from transformers.convert_slow_tokenizer import SentencePieceExtractor

    try:
        model = SentencePieceExtractor(str(file)).proto
    except DecodeError:
        return None
    return model.trainer_spec.model_type if model.pieces else None
