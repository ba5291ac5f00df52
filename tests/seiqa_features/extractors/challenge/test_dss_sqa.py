"""DSS-SQA's numbers, compared with a literal computation on small random networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seiqa_features.errors import UsageError
from seiqa_features.extractors.challenge.dss_sqa import ORIGINAL
from seiqa_features.extractors.registry import get_extractor
from seiqa_features.pictures.views import View
from seiqa_features.table.recipe import Recipe
from tests.seiqa_features.random_networks import register_tiny_clip, resources_for

NAME = "dss_sqa:test_vit.r160_in1k:seiqa-tiny:openai"
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(autouse=True)
def _tiny(monkeypatch):
    register_tiny_clip(monkeypatch)


@pytest.fixture
def pictures(texture):
    made = [np.float32(texture(seed, 224, 224).transpose(2, 0, 1)) / 255 for seed in range(3)]
    return [torch.from_numpy(picture) for picture in made]


def test_numbers_are_those_of_a_literal_computation(pictures, tmp_path):
    import open_clip
    import timm
    from safetensors.torch import load_file

    resources = resources_for(NAME, tmp_path)
    ref, one, two = pictures
    with torch.inference_mode():
        work = get_extractor(NAME).build(resources)
        values = work(ref=ref[None], dist=torch.stack([one, two]), ref_index=torch.tensor([0, 0]))
        alone = work(ref=ref[None], dist=two[None], ref_index=torch.tensor([0]))
    for key, rows in values.items():
        assert torch.equal(rows[1], alone[key][0]), key
    files = {name.partition("/")[0]: path for name, path in resources.weights.items()}
    vit = timm.create_model("test_vit.r160_in1k", dynamic_img_size=True).eval()
    vit.load_state_dict(load_file(files["timm"]))
    clip = open_clip.create_model("seiqa-tiny", force_quick_gelu=True).eval()
    clip.load_state_dict(load_file(files["open_clip"]))

    def literal(reference, degraded):
        mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (CLIP_MEAN, CLIP_STD))

        def embeddings(picture):
            image = picture[None]
            tokens = vit.forward_features((image - mean) / std)
            large = F.interpolate(image, (64, 64), mode="bicubic").clamp(0, 1)
            pooled = []  # what comes out of the norm after the last block, of the class token
            hook = clip.visual.ln_post.register_forward_hook(lambda *a: pooled.append(a[2]))
            clip.visual((large - mean) / std)
            hook.remove()
            out = pooled[0][:, 0] if pooled[0].ndim == 3 else pooled[0]
            return tokens[0, 0].double().numpy(), out[0].double().numpy()

        with torch.inference_mode():
            (v1, c1), (v2, c2) = embeddings(reference), embeddings(degraded)
        product = c1 / np.linalg.norm(c1) * c2 / np.linalg.norm(c2)
        parts = [v1, v2, abs(v2 - v1), c1, abs(c2 - c1), product, [product.sum()]]
        return np.concatenate(parts)

    for row, degraded in enumerate((one, two)):
        expected = literal(ref, degraded)
        found = values["inputs"][row].numpy()
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        mirrored = literal(ref.flip(-1), degraded.flip(-1))
        np.testing.assert_allclose(
            values["inputs_mirrored"][row].numpy(), mirrored, rtol=1e-4, atol=1e-5
        )
        assert values["cosine"][row] == pytest.approx(expected[-1], abs=1e-5)


def test_the_original_has_5377_numbers():
    assert ORIGINAL.width == 5377
    spec = get_extractor("dss_sqa").spec
    assert {output.dim for output in spec.outputs.values()} == {0, 5377}
    assert [weight.name for weight in spec.weights] == [
        "timm/vit_base_patch16_dinov3.lvd1689m",
        "open_clip/ViT-L-14-336/openai",
    ]
    assert spec.usual_view == "pad224"
    with pytest.raises(UsageError, match="cannot use view s224; it sees only pad224"):
        Recipe.parse({"dss_sqa": ["s224"]})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dss_sqa:test_vit", "expected dss_sqa:<timm model>:<open_clip model>:<tag>"),
        ("dss_sqa:test_vit.r160_in1k:ViT-B-16:nobody", "open_clip lists no ViT-B-16:nobody"),
        ("dss_sqa:no_such:ViT-B-16:openai", "timm has no pretrained model 'no_such'"),
    ],
)
def test_unknown_networks_are_named(name, line):
    with pytest.raises(UsageError, match=line):
        get_extractor(name)


def test_padding_keeps_the_aspect_and_centres():
    from PIL import Image

    image = Image.fromarray(np.full((50, 100, 3), 255, np.uint8))
    square = View.parse("pad224").prepare(image, image.size, "bicubic")
    assert square.shape == (1, 3, 224, 224)
    assert (square[0, :, 56:168] == 255).all()
    assert not square[0, :, :56].any()
    assert not square[0, :, 168:].any()
    sliver = View.parse("pad224").prepare(image, (2000, 3), "bicubic")
    assert sliver.shape == (1, 3, 224, 224)
