"""A trimmed vocabulary reads every text, keeps the embeddings of what stays, and changes nothing for texts made of it."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import ModernBertConfig, ModernBertForSequenceClassification

from changed_encoders import change
from conftest import TINY_CSV, load_tiny, make_encoder
from encoder_compression.config import consistency
from encoder_compression.data.dataset import prepare_dataset
from encoder_compression.data.tasks import sentences
from encoder_compression.encoders import encoder_facts, pretrained
from encoder_compression.errors import UserError
from encoder_compression.measurement.text_calls import TextCalls
from encoder_compression.pruning import vocabulary
from encoder_compression.runtimes.workload import Workload
from encoder_compression.techniques.trim import counts, keep_embeddings, trim
from encoder_compression.training.heads import new_model
from encoder_compression.training.train import Goal

SIZES = {"bert": 100, "distilbert": 100, "mpnet": 100}  # of 129 entries
SIZES |= {"modernbert": 390, "roberta": 390}  # of 400
SIZES |= {"camembert": 80, "deberta-v2": 80, "xlm-roberta": 80}  # of 106 to 109
TEXTS = ["Nothing in here was ever read before: zyx 42!", "a good film", "", "żółw 電影 ok?"]


def prepared(folder: Path, encoder: Path) -> Path:
    """Write the tiny texts as the encoder reads them."""
    options = load_tiny().options["dataset"] | {"files": {"train": str(TINY_CSV)}}
    prepare_dataset(options=options, task="classification", encoder=encoder, output=folder)
    return folder


@pytest.fixture(scope="module", params=SIZES)
def cut(request, tmp_path_factory):
    """A model, what trimming makes of it and of its data set, and the facts."""
    folder = tmp_path_factory.mktemp(request.param)
    encoder = make_encoder(folder / "base", architecture=request.param)
    goal = Goal(dataset=prepared(folder / "dataset", encoder), metric="accuracy", seed=1, name="test")
    pretrained.save(new_model(encoder, goal), encoder_facts.load_tokenizer(encoder), folder / "parent")
    (folder / "trimmed").mkdir()
    facts = trim(
        parent=folder / "parent",
        goal=goal,
        options={"vocabulary": SIZES[request.param]},
        model=folder / "trimmed/model",
        dataset=folder / "trimmed/dataset",
        curve=folder / "trimmed/training.csv",
    )
    return folder, facts, SIZES[request.param]


def test_raw_texts_have_the_tokens_of_the_cut_data_set_by_the_smaller_vocabularys_own_file(cut):
    dataset = cut[0] / "trimmed/dataset"
    calls, workload = TextCalls(cut[0] / "trimmed/model", dataset, "test", Workload(dataset)).calls, Workload(dataset)
    for example in range(len(workload)):
        assert calls.read(example)[0]["input_ids"].tolist() == workload.single(example)["input_ids"].tolist()


def test_the_cut_data_set_is_padded_as_the_smaller_vocabulary_pads(cut):
    padding = encoder_facts.load_tokenizer(cut[0] / "trimmed/model").pad_token_id
    assert Workload(cut[0] / "trimmed/dataset", "validation").pad_token_id == padding


def both(folder):
    return [
        (pretrained.load_model(place).eval(), encoder_facts.load_tokenizer(place))
        for place in (folder / "parent", folder / "trimmed/model")
    ]


def test_so_many_entries_stay_with_their_embeddings(cut):
    folder, facts, size = cut
    (parent, whole), (trimmed, smaller) = both(folder)
    assert len(smaller) == trimmed.config.vocab_size == facts["vocabulary"] == size
    table, before = (model.get_input_embeddings().weight for model in (trimmed, parent))
    numbers = whole.get_vocab()
    assert all(torch.equal(table[new], before[numbers[entry]]) for entry, new in smaller.get_vocab().items())
    rest = {name: weight for name, weight in parent.state_dict().items() if weight.shape != before.shape}
    assert all(torch.equal(weight, trimmed.state_dict()[name]) for name, weight in rest.items())


def test_the_commonest_entries_of_train_stay(cut):
    folder, _, size = cut
    (_, whole), (_, smaller) = both(folder)
    found = counts(folder / "dataset")
    table = pd.read_parquet(folder / "dataset/train.parquet")
    assert found == pd.Series(np.concatenate(table["input_ids"])).value_counts().to_dict()
    common = {whole.convert_ids_to_tokens(number) for number, _ in found.most_common(size // 16)}
    assert common <= set(smaller.get_vocab())


def test_every_text_is_read_in_pieces_of_the_whole_vocabulary_and_none_is_lost(cut):
    folder, *_ = cut
    (_, whole), (_, smaller) = both(folder)
    for text in [*TEXTS, *pd.read_csv(TINY_CSV)["text"]]:
        one, other = whole(text)["input_ids"], smaller(text)["input_ids"]
        assert smaller.decode(other, skip_special_tokens=True) == whole.decode(one, skip_special_tokens=True)
        assert one.count(whole.unk_token_id) == other.count(smaller.unk_token_id)
        assert len(other) >= len(one)
        assert smaller.convert_ids_to_tokens([other[0], other[-1]]) == whole.convert_ids_to_tokens([one[0], one[-1]])


def test_a_text_whose_pieces_all_stay_gets_the_same_logits(cut):
    folder, *_ = cut
    (parent, whole), (trimmed, smaller) = both(folder)
    texts = pd.read_parquet(folder / "dataset/train.parquet")["text"]
    same = [text for text in texts if whole.tokenize(text) == smaller.tokenize(text)]
    assert 1 < len(same) < len(texts)
    with torch.inference_mode():
        for text in same:
            answers = [model(**tokenizer(text, return_tensors="pt")).logits for model, tokenizer in ((parent, whole), (trimmed, smaller))]
            torch.testing.assert_close(*answers, rtol=0, atol=1e-7)  # sums may round otherwise where matrices lie elsewhere in memory


def test_the_data_set_has_the_same_rows_in_the_pieces_of_the_smaller_vocabulary(cut):
    folder, *_ = cut
    smaller = encoder_facts.load_tokenizer(folder / "trimmed/model")
    for split in ("train", "validation", "test"):
        before, after = (pd.read_parquet(place / f"{split}.parquet") for place in (folder / "dataset", folder / "trimmed/dataset"))
        assert before[["id", "text", "label"]].equals(after[["id", "text", "label"]])
        assert [list(row) for row in after["input_ids"]] == [
            smaller(text, truncation=True, max_length=32)["input_ids"] for text in after["text"]
        ]
    assert Workload(folder / "dataset").order().tolist() == Workload(folder / "trimmed/dataset").order().tolist()


def test_pairs_stay_pairs(tmp_path, tiny, encoder):
    table = pd.read_csv(TINY_CSV).assign(other=lambda rows: rows["text"].str.upper())
    table.to_csv(tmp_path / "pairs.csv", index=False)
    columns = tiny.options["dataset"]["columns"] | {"text_pair": "other"}
    options = tiny.options["dataset"] | {"files": {"train": str(tmp_path / "pairs.csv")}, "columns": columns}
    prepare_dataset(options=options, task="classification", encoder=encoder, output=tmp_path / "dataset")
    whole = encoder_facts.load_tokenizer(encoder)
    smaller = vocabulary.keep(whole, vocabulary.choose(whole, counts(tmp_path / "dataset"), SIZES["bert"]))
    sentences.cut_anew(tmp_path / "dataset", tmp_path / "cut", tokenizer=smaller)
    row = pd.read_parquet(tmp_path / "cut/test.parquet").iloc[0]
    expected = smaller(row["text"], row["text_pair"], truncation=True, max_length=32)
    assert [list(row[name]) for name in ("input_ids", "token_type_ids")] == [expected["input_ids"], expected["token_type_ids"]]


@pytest.mark.parametrize("size", [8, 129])
def test_a_size_that_cannot_be_is_refused_with_those_that_can(encoder, size):
    tokenizer = encoder_facts.load_tokenizer(encoder)
    with pytest.raises(UserError, match=rf"a vocabulary of {size} cannot be cut out of one of 129; give 63 to 128"):
        vocabulary.choose(tokenizer, Counter(), size)


def test_ids_in_the_config_and_the_padding_of_the_embeddings_follow(tmp_path):
    """ModernBERT has its special tokens behind all entries, and more rows of embeddings than tokens."""
    whole, text = encoder_facts.load_tokenizer(make_encoder(tmp_path / "encoder", "modernbert")), pd.read_csv(TINY_CSV)["text"][0]
    kept = vocabulary.choose(whole, Counter(whole(text)["input_ids"] * 9), 330)
    ids = {"pad_token_id": whole.pad_token_id, "bos_token_id": whole.cls_token_id, "eos_token_id": max(set(range(400)) - set(kept))}
    shape = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    torch.manual_seed(0)
    model = ModernBertForSequenceClassification(ModernBertConfig(vocab_size=len(whole) + 7, **shape, **ids)).eval()
    smaller = vocabulary.keep(whole, kept)
    with torch.inference_mode():
        before = model(**whole(text, return_tensors="pt")).logits
        after = keep_embeddings(model, kept, smaller)(**smaller(text, return_tensors="pt")).logits
    assert torch.equal(before, after)
    assert model.config.vocab_size == 330
    assert (model.config.pad_token_id, model.config.bos_token_id) == (smaller.pad_token_id, smaller.cls_token_id)
    assert model.config.eos_token_id is None  # an entry that is gone
    assert model.get_input_embeddings().padding_idx == smaller.pad_token_id != whole.pad_token_id


def test_a_model_that_counts_positions_from_padding_is_refused_where_padding_gets_another_id(tmp_path):
    encoder = make_encoder(tmp_path / "encoder", "roberta")
    change(encoder / "config.json", pad_token_id=3)
    options = {"vocabulary": SIZES["roberta"]}
    places = {"model": tmp_path / "model", "dataset": tmp_path / "cut", "curve": tmp_path / "training.csv"}
    goal = Goal(dataset=prepared(tmp_path / "dataset", encoder), metric="accuracy", seed=1, name="test")
    with pytest.raises(UserError, match="positions are counted from the padding token 3, which would become 1; take the step out"):
        trim(parent=encoder, goal=goal, options=options, **places)


def test_what_follows_and_who_is_beside_reads_the_data_set_of_its_own_vocabulary(tiny):
    assert tiny.dataset("teacher+words100+int8", 1) == "results/tiny/teacher+words100/seed1/dataset"
    assert tiny.dataset("teacher+int4", 1) == "results/tiny/dataset"


def test_nothing_is_trained_after_trimming():
    with pytest.raises(UserError, match=re.escape("'magnitude60' would read what 'words100' has cut; put it first, then trim")):
        load_tiny(variants=["teacher+words100+magnitude60"], compare=[])


@pytest.mark.parametrize(
    ("task", "reason"), [("question-answering", "the windows of long texts"), ("masked-language-modelling", "the blocks of a corpus")]
)
def test_what_cannot_be_cut_anew_is_refused(tiny, task, reason):
    mistakes = consistency.find_mistakes(tiny.options | {"distill": {}, "task": task})
    assert f"trim.words100: {reason} are not cut anew; take the step out" in [mistake.words() for mistake in mistakes]
