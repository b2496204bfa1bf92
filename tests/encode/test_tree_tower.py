"""On a tree or padded: the same embeddings from every tower for which that is so, and the others are refused."""

from copy import deepcopy
from dataclasses import replace
from functools import cache

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clipeval.encode.backing_off import BackingOff
from clipeval.encode.prefix_tree import pack_prompts
from clipeval.encode.tree_tower import PROOF, TOLERANCES, NotExactError, TreeTower
from clipeval.errors import EncodingError
from clipeval.models import load_model
from clipeval.records import ModelSpec

END_OF_TEXT = 49407
NORMALISED = {"qk_norm": True, "scale_heads": True, "scale_attn_inner": True, "scale_attn": True}
COCA = {
    "custom_text": True,
    "multimodal_cfg": {
        "context_length": 77, "vocab_size": 49408, "width": 32, "heads": 4, "layers": 1,
        "n_queries": 4, "attn_pooler_heads": 2,
    },
    "vision_cfg": {
        "image_size": 32, "patch_size": 16, "width": 32, "head_width": 16, "layers": 1,
        "attentional_pool": True, "attn_pooler_queries": 4, "attn_pooler_heads": 2,
        "output_tokens": True,
    },
}  # fmt: skip
EXACT = {
    "native": {},
    "native-eos": {"text_cfg": {"pool_type": "eos", "eos_id": END_OF_TEXT}},
    "native-quick-gelu": {"quick_gelu": True},
    "native-custom-blocks": {"text_cfg": {**NORMALISED, "scale_fc": True}},
    "native-bias": {"text_cfg": {"proj_bias": True}},
    "custom-text": {"custom_text": True},
    "custom-eos": {"custom_text": True, "text_cfg": {"pool_type": "eos", "eos_id": END_OF_TEXT}},
    "custom-blocks": {"custom_text": True, "text_cfg": {**NORMALISED, "ls_init_value": 0.5}},
    "custom-bias": {"custom_text": True, "text_cfg": {"proj_bias": True}},
    "custom-no-projection": {
        "custom_text": True,
        "embed_dim": 32,
        "text_cfg": {"proj_type": "none"},
    },
    "coca-without-class-token": {**COCA, "text_cfg": {"output_tokens": True}},
}
SPECIAL = (
    "",
    " ",
    "<end_of_text>",
    "a <end_of_text> b",
    "<start_of_text>",
    "<END_OF_TEXT> <start_of_text> a",
    "photo " * 74 + "a",
    "photo " * 75,
    "photo " * 76,
    "a photo of " * 200,
    "!" * 500,
    "鱼",
    "صورة لقطة",
    "фото кота",
    "一张狗的照片",
    "👩‍👩‍👧 🇫🇷 👍🏽",
    "&amp;amp; caf\u0065\u0301",
    "\x00\x1b[0m\u200b",
)
DISTINCT = ("", "dog", "a photo of a dog", "a photo of a cat", "фото", "photo " * 99)
class_names = st.one_of(st.sampled_from(["dog", "hot dog", "cat", *SPECIAL]), st.text(max_size=12))
templates = st.one_of(
    st.sampled_from(["{}", "a photo of a {}", "a photo of a {}, a type of pet.", "{} {}"]),
    st.tuples(st.text(max_size=6), st.text(max_size=6)).map("{}".join),
)


@st.composite
def rendered_prompts(draw):
    """Every class name in every template, with some prompts of no template."""
    names = draw(st.lists(class_names, min_size=1, max_size=5))
    wordings = draw(st.lists(templates, min_size=1, max_size=4))
    others = draw(st.lists(st.one_of(st.sampled_from(SPECIAL), st.text()), max_size=4))
    return [template.replace("{}", name) for template in wordings for name in names] + others


def unit(features):
    return torch.nn.functional.normalize(features.float(), dim=-1)


def encode_padded(model, prompts):
    """Encode prompts as open_clip does: the slow, obvious reference."""
    return unit(model.encode_text(model.tokenizer(prompts)))


def encode_packed(tower, prompts, *, max_nodes, at_once):
    tokens = tower.model.tokenizer(prompts)
    sequences = list(pack_prompts(tokens.numpy(), tower.lengths(tokens), max_nodes=max_nodes))
    embeddings = torch.full((len(prompts), tower.model.record.embed_dim), torch.nan)
    for start in range(0, len(sequences), at_once):
        batch = sequences[start : start + at_once]
        which = np.concatenate([one.prompts for one in batch])
        embeddings[torch.from_numpy(which)] = unit(tower.encode(batch))
    return embeddings


@pytest.fixture(scope="module")
def model_of(text_model):
    """The model of a config in EXACT, made once for each precision."""
    return cache(lambda name, precision="fp32": text_model(**EXACT[name], precision=precision))


@pytest.fixture
def altered(model_of):
    """Return a model of EXACT whose module may be changed."""

    def copy(name="native", precision="fp32"):
        model = model_of(name, precision)
        return replace(model, module=deepcopy(model.module))

    return copy


@pytest.mark.parametrize("name", EXACT)
@settings(deadline=None, max_examples=20)
@given(rendered_prompts(), st.sampled_from([16, 80, 256]), st.integers(1, 3))
@example(list(SPECIAL), 80, 2)
def test_every_prompt_is_as_from_the_padded_tower(model_of, name, prompts, max_nodes, at_once):
    model = model_of(name)
    packed = encode_packed(TreeTower.of(model), prompts, max_nodes=max_nodes, at_once=at_once)
    np.testing.assert_allclose(packed, encode_padded(model, prompts), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["vit", "resnet", "custom-text"])
def test_published_forms_of_folders_are_run_on_trees(name, model_folders):
    model = load_model(ModelSpec(id=name, kind="local-dir", name=str(model_folders[name])))
    packed = encode_packed(TreeTower.of(model), SPECIAL, max_nodes=64, at_once=2)
    np.testing.assert_allclose(packed, encode_padded(model, SPECIAL), rtol=0, atol=1e-5)


def test_the_models_of_these_tests_tell_prompts_apart(model_of):
    for name in EXACT:
        distances = torch.pdist(encode_padded(model_of(name), DISTINCT))
        assert distances.min() > 0.05, name  # 5000 times what the others may differ by


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", ["native", "native-quick-gelu", "custom-text", "custom-eos"])
def test_lower_precisions_differ_by_their_rounding(model_of, name, precision):
    model = model_of(name, precision)
    texts = [*DISTINCT, *SPECIAL]
    packed = encode_packed(TreeTower.of(model), texts, max_nodes=80, at_once=2)
    padded = encode_padded(model, texts)
    assert (packed - padded).norm(dim=1).max() <= TOLERANCES[precision]
    n = len(DISTINCT)
    assert torch.cdist(packed[:n], padded[:n]).argmin(dim=1).tolist() == list(range(n))


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"text_cfg": {"no_causal_mask": True}}, "its tokens see more than those before them"),
        (
            {"custom_text": True, "text_cfg": {"no_causal_mask": True}},  # as MobileCLIP-S1
            "its tokens see more than those before them",
        ),
        ({"text_cfg": {"pool_type": "last"}}, "does not read a prompt at its end token"),
        (
            {"custom_text": True, "text_cfg": {"pool_type": "first"}},
            "does not read a prompt at its end token",
        ),
        (
            {**COCA, "text_cfg": {"embed_cls": True, "output_tokens": True}},
            "does not read a prompt at its end token",
        ),
    ],
    ids=["native-not-causal", "not-causal", "native-last", "first", "coca"],
)
def test_towers_of_another_kind_are_refused(text_model, config, why):
    with pytest.raises(NotExactError, match=why):
        TreeTower.of(text_model(**config))


def test_siglip_is_refused(model_folders):
    model = load_model(ModelSpec(id="siglip", kind="local-dir", name=str(model_folders["siglip"])))
    with pytest.raises(NotExactError, match="its tokens see more than those before them"):
        TreeTower.of(model)


def test_towers_of_transformers_are_refused(builders, tmp_path):
    folder = builders.make_hub_text(tmp_path, embed_dim=24, vision_cfg=builders.VIT["vision_cfg"])
    model = load_model(ModelSpec(id="hf", kind="local-dir", name=str(folder.path)))
    with pytest.raises(NotExactError, match="it is a HFTextEncoder, not open_clip's own"):
        TreeTower.of(model)


class OwnTextTower(open_clip.transformer.TextTransformer):
    pass


class OwnClip(open_clip.CLIP):
    pass


class OwnCustomClip(open_clip.CustomTextCLIP):
    pass


@pytest.mark.parametrize(
    ("name", "path", "kind"),
    [
        ("native", "", OwnClip),
        ("custom-text", "", OwnCustomClip),
        ("custom-text", "text", OwnTextTower),
    ],
)
def test_kinds_made_of_open_clips_are_refused(altered, name, path, kind):
    model = altered(name)
    model.module.get_submodule(path).__class__ = kind
    with pytest.raises(NotExactError, match=f"it is a {kind.__name__}, not open_clip's own"):
        TreeTower.of(model)


def sees_later_tokens(_module, _inputs, output):
    return output + 1e-3 * output.mean(dim=1, keepdim=True)


def depends_on_sequence_length(_module, _inputs, output):
    return output + 1e-3 * torch.sin(torch.arange(output.shape[-1]) * output.shape[1])


def counts_positions_in_the_sequence(_module, _inputs, output):
    places = torch.arange(output.shape[1])[:, None]
    return output + 1e-3 * torch.sin(torch.arange(output.shape[-1]) + places)


def changes_what_comes_out(_module, _inputs, output):
    return output + 1e-3 * torch.arange(output.shape[-1])


TAMPERED = [
    ("transformer", sees_later_tokens),
    ("transformer.resblocks.0", sees_later_tokens),
    ("transformer.resblocks.0", depends_on_sequence_length),
    ("token_embedding", counts_positions_in_the_sequence),
]


@pytest.mark.parametrize(
    ("name", "path", "hook"),
    [
        *(("native", path, hook) for path, hook in TAMPERED),
        *(("custom-text", f"text.{path}", hook) for path, hook in TAMPERED),
        ("custom-text", "text", changes_what_comes_out),
    ],
)
def test_a_tower_that_computes_something_else_fails_the_proof(altered, name, path, hook):
    model = altered(name)
    TreeTower.of(model)
    model.module.get_submodule(path).register_forward_hook(hook)
    with pytest.raises(NotExactError, match=r"packed prompts differ from padded ones by \d"):
        TreeTower.of(model)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_the_proof_can_fail_in_lower_precisions(altered, precision):
    model = altered(precision=precision)
    model.module.transformer.register_forward_hook(
        lambda _module, _inputs, output: output + output.mean(dim=1, keepdim=True)
    )
    with pytest.raises(NotExactError, match="packed prompts differ from padded ones"):
        TreeTower.of(model)


@pytest.mark.parametrize(
    ("row", "column", "value"), [(0, 1, 0.0), (2, 1, float("-inf")), (3, 1, 1.0)]
)
def test_a_mask_that_is_not_causal_is_refused(altered, row, column, value):
    model = altered()
    model.module.attn_mask[row, column] = value
    with pytest.raises(NotExactError, match="its tokens see more than those before them"):
        TreeTower.of(model)


@pytest.mark.parametrize(
    "text_cfg",
    [{"proj_bias": True}, {"pool_type": "eos", "eos_id": 49405}],
    ids=["constant", "reads the first token, for its end never comes"],
)
def test_a_tower_to_which_all_prompts_are_alike_proves_nothing(text_model, text_cfg):
    model = text_model(text_cfg=text_cfg)
    if "proj_bias" in text_cfg:
        torch.nn.init.zeros_(model.module.text_projection.weight)
        torch.nn.init.ones_(model.module.text_projection.bias)
    with pytest.raises(NotExactError, match="comparing them proves nothing"):
        TreeTower.of(model)


def test_a_tower_that_gives_no_numbers_fails_the_proof(altered):
    model = altered()
    torch.nn.init.constant_(model.module.ln_final.weight, torch.nan)
    with pytest.raises(NotExactError, match="differ from padded ones by nan"):
        TreeTower.of(model)


def test_a_tower_without_the_parts_of_open_clips_is_refused(altered):
    model = altered()
    model.module.transformer.resblocks[0].attn = NoHeads(model.module.transformer.resblocks[0].attn)
    with pytest.raises(NotExactError, match=r"cannot be run on packed prompts: .*num_heads"):
        TreeTower.of(model)


class IgnoresMasks(torch.nn.Module):
    """Attention that lets every token see all before it in the sequence, whatever it is told."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention
        self.num_heads = attention.num_heads

    def forward(self, *inputs, attn_mask, **options):
        n_tokens = attn_mask.shape[-1]
        causal = torch.full((n_tokens, n_tokens), float("-inf")).triu_(1)
        return self.attention(*inputs, attn_mask=causal, **options)


def test_attention_that_does_not_tell_branches_apart_fails_the_proof(altered):
    model = altered()
    expected = encode_padded(model, DISTINCT)
    for block in model.module.transformer.resblocks:
        block.attn = IgnoresMasks(block.attn)
    assert torch.equal(encode_padded(model, DISTINCT), expected)
    with pytest.raises(NotExactError, match="packed prompts differ from padded ones"):
        TreeTower.of(model)


class NoHeads(torch.nn.Module):
    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, *inputs, **options):
        return self.attention(*inputs, **options)


def fits(n_rows):
    def check(_module, inputs):
        if len(inputs[0]) > n_rows:
            raise torch.OutOfMemoryError("out of memory: tried to allocate 20.00 MiB")

    return check


def test_the_proof_takes_less_at_once_where_memory_does_not_suffice(altered, model_of):
    model = altered()
    model.module.transformer.register_forward_pre_hook(fits(1))
    packed = encode_packed(TreeTower.of(model), PROOF, max_nodes=80, at_once=1)
    np.testing.assert_allclose(packed, encode_padded(model_of("native"), PROOF), rtol=0, atol=1e-5)


def test_a_model_that_does_not_fit_at_all_is_an_error(altered):
    model = altered()
    model.module.transformer.register_forward_pre_hook(fits(0))
    with pytest.raises(EncodingError, match="does not fit in the memory of cpu"):
        TreeTower.of(model)


def test_packs_back_off_and_keep_their_order(altered):
    model = altered()
    tower = TreeTower.of(model)
    prompts = [f"a photo of number {n}" for n in range(300)]
    tokens = model.tokenizer(prompts)
    sequences = list(pack_prompts(tokens.numpy(), tower.lengths(tokens), max_nodes=64))
    assert len(sequences) > 8
    expected = unit(tower.encode(sequences))
    model.module.transformer.register_forward_pre_hook(fits(3))
    backing_off = BackingOff(model, tower.encode, len(sequences), unit="packs of prompts")
    np.testing.assert_allclose(backing_off.encode(sequences), expected, rtol=0, atol=1e-5)
    assert "packs of prompts a batch: went on with" in backing_off.notices[0].message


def test_a_record_of_another_precision_is_held_to_its_own_tolerance(altered):
    """What bf16 explains, fp32 does not."""
    model = altered(precision="bf16")
    model.module.transformer.register_forward_hook(
        lambda _module, _inputs, output: output + 1e-2 * output.mean(dim=1, keepdim=True)
    )
    TreeTower.of(model)
    with pytest.raises(NotExactError, match="packed prompts differ"):
        TreeTower.of(replace(model, precision="fp32"))
