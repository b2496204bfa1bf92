"""What a prompt becomes, and whether all of it fits."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from clipeval.errors import ModelError
from clipeval.models import Tokenizer
from clipeval.models.tokenizers import load_tokenizer

CLIP_TOKENIZER = Tokenizer(SimpleTokenizer())


@pytest.fixture(scope="module")
def hub(folders):
    path = folders["siglip"].path
    config = json.loads((path / "open_clip_config.json").read_text(encoding="utf-8"))
    return load_tokenizer(f"local-dir:{path}", model_cfg=config["model_cfg"])


class TestClipsTokenizer:
    def test_gives_the_ids_of_the_walkthrough(self):
        ids = CLIP_TOKENIZER.token_ids("a photo of ramen")
        assert ids == (49406, 320, 1125, 539, 18892, 49407)

    def test_names_every_id(self):
        pieces = CLIP_TOKENIZER.tokenized("A photo of ramen, pizza").pieces
        expected = ("a", "photo", "of", "ramen", ",", "pizza")
        assert pieces == ("<start_of_text>", *expected, "<end_of_text>")

    def test_shows_parts_of_a_character_as_bytes(self):
        assert CLIP_TOKENIZER.tokenized("東").pieces == (
            "<start_of_text>",
            "<E6 9D>",
            "<B1>",
            "<end_of_text>",
        )

    def test_long_prompt_keeps_all_ids_where_the_call_cuts(self):
        text = "ramen " * 100
        assert len(CLIP_TOKENIZER.token_ids(text)) == 102 > CLIP_TOKENIZER.context_length
        assert CLIP_TOKENIZER([text]).shape == (1, 77)

    @settings(deadline=None, max_examples=60)
    @given(st.text(max_size=40))
    def test_ids_are_the_row_before_padding_and_cutting(self, text):
        ids = CLIP_TOKENIZER.token_ids(text)
        row = CLIP_TOKENIZER([text])[0].tolist()
        assert len(CLIP_TOKENIZER.tokenized(text).pieces) == len(ids)
        if len(ids) <= 77:
            assert row == [*ids, *[0] * (77 - len(ids))]
        else:
            assert row[:-1] == list(ids[:76])


class TestHubTokenizer:
    def test_ids_are_the_row_before_padding(self, hub):
        assert hub.token_ids("A photo of ramen!") == (3, 4, 5, 6, 1)  # canonicalised first
        assert hub(["A photo of ramen!"])[0].tolist() == [3, 4, 5, 6, 1, *[0] * 11]

    def test_names_every_id(self, hub):
        assert hub.tokenized("a photo of soup").pieces == ("a", "photo", "of", "<unk>", "</s>")

    def test_long_prompt_keeps_all_ids_where_the_call_cuts(self, hub):
        text = "ramen " * 30
        hub([text])  # leaves truncation switched on in the tokenizer underneath
        assert len(hub.token_ids(text)) == 31 > hub.context_length
        assert hub([text]).shape == (1, 16)

    def test_separator_that_is_stripped_reads_as_padding(self, folders):
        own = HFTokenizer(str(folders["siglip"].path), context_length=16, strip_sep_token=True)
        own.tokenizer.sep_token = "</s>"
        tokenizer = Tokenizer(own)
        assert tokenizer.token_ids("a photo") == (3, 4, 0)
        assert tokenizer(["a photo"])[0].tolist() == [3, 4, *[0] * 14]

    def test_class_token_of_clips_mode_counts(self, folders):
        own = HFTokenizer(str(folders["siglip"].path), context_length=8, tokenizer_mode="clips")
        own.tokenizer.bos_token, own.tokenizer.cls_token = "the", "bowl"
        tokenizer = Tokenizer(own)
        assert tokenizer.token_ids("a photo") == (9, 3, 4, 1, 8)
        assert tokenizer(["a photo"])[0].tolist() == [9, 3, 4, 1, 0, 0, 0, 8]
        fits, does_not = "a a a a a", "a a a a a a"
        assert len(tokenizer.token_ids(fits)) == 8
        assert tokenizer([fits])[0].tolist() == list(tokenizer.token_ids(fits))
        assert len(tokenizer.token_ids(does_not)) == 9


class TestFingerprint:
    def test_is_the_same_for_the_same_tokenizer(self):
        assert Tokenizer(SimpleTokenizer()).sha256 == CLIP_TOKENIZER.sha256

    @pytest.mark.parametrize(
        "options",
        [{"context_length": 32}, {"clean": "canonicalize"}, {"additional_special_tokens": ["<x>"]}],
    )
    def test_changes_with_every_setting(self, options):
        assert Tokenizer(SimpleTokenizer(**options)).sha256 != CLIP_TOKENIZER.sha256

    def test_of_a_hub_tokenizer_does_not_change_by_use(self, folders):
        path = str(folders["siglip"].path)
        used = HFTokenizer(path, context_length=16)
        before = Tokenizer(used).sha256
        used(["a photo"])
        assert Tokenizer(used).sha256 == before
        assert Tokenizer(HFTokenizer(path, context_length=17)).sha256 != before


def test_folder_without_the_tokenizer_that_it_needs_is_refused(tmp_path, folders):
    config = (folders["siglip"].path / "open_clip_config.json").read_text(encoding="utf-8")
    (tmp_path / "open_clip_config.json").write_text(config, encoding="utf-8")
    with pytest.raises(ModelError, match=r"some-org/some-siglip.*tokenizer\.json"):
        load_tokenizer(f"local-dir:{tmp_path}", model_cfg=json.loads(config)["model_cfg"])
