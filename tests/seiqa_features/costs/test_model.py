"""The model of costs: its arithmetic on recipes where it can be done by hand."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from PIL import Image

from seiqa_features.costs.counts import COUNTS
from seiqa_features.costs.machines import BANDWIDTH_SHARE, GPUS, HALF_SHARE, find_gpu, speedup
from seiqa_features.costs.model import HANDLING, PROCESSES, Plan, plan
from seiqa_features.costs.pairs import ROW_BYTES, Core, PairSize, crops, row_bytes
from seiqa_features.costs.survey import SAMPLE, measured_core, sizes_of
from seiqa_features.datasets.pairs import Pair
from seiqa_features.errors import DataError, UsageError
from seiqa_features.extraction.gpu import preparing
from seiqa_features.extractors.registry import all_extractors, get_extractor
from seiqa_features.pictures.views import View
from seiqa_features.table.recipe import Recipe

USUAL = PairSize(512, 384, ".png")
BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
H100 = GPUS["h100"]


def planned(features: dict[str, list[str]], size: PairSize = USUAL, **options: object) -> Plan:
    settings: dict[str, object] = {"pairs": 100, "gpu": None, "workers": 1, **options}
    return plan(Recipe.parse(features), [size], **settings)  # type: ignore[arg-type]


def test_on_a_cpu_a_block_costs_what_its_spec_says_in_proportion_to_its_pixels() -> None:
    found = planned({"ssim": ["max512", "max256"]})
    cost = get_extractor("ssim").spec.cost
    assert found.blocks["ssim__max512"].cpu == pytest.approx(cost)
    assert found.blocks["ssim__max256"].cpu == pytest.approx(cost / 4)
    assert found.gpu == found.sending == found.weights == 0
    assert found.limit == "CPU: features"
    assert found.rate == pytest.approx(1 / found.cpu)
    assert found.hours == pytest.approx(100 * found.cpu / 3600)


def test_more_workers_help_less_and_less() -> None:
    assert speedup(1) == 1
    assert speedup(2) > 1.5
    assert 2.5 < speedup(16) < 4.5
    one, two = (planned({"ssim": ["max512"]}, workers=count) for count in (1, 2))
    assert speedup(2) < two.rate / one.rate < 2


def test_beside_a_gpu_processes_do_not_wait_for_each_other() -> None:
    one, four, many = (
        planned({"psnr": ["max512"]}, gpu=H100, workers=count) for count in (1, 4, 99)
    )
    assert one.clock == pytest.approx(4 * four.clock)
    assert one.clock == pytest.approx(PROCESSES * many.clock)
    assert PROCESSES == preparing.PROCESSES


def test_on_a_gpu_counts_are_divided_by_the_rates_that_are_reached() -> None:
    found = planned({"gms": ["max512"], "clip_b16": ["s224"]}, gpu=H100)
    _, _, moved, square = COUNTS["gms"]
    pixels = 512 * 384
    assert found.blocks["gms__max512"].memory == pytest.approx(
        pixels * (moved + square * pixels) / (H100.bandwidth * BANDWIDTH_SHARE)
    )
    flops, square, moved, _ = COUNTS["clip_b16"]
    arithmetic = 224**2 * (flops + square * 224**2) / (H100.half * HALF_SHARE)
    memory = 224**2 * moved / 2 / (H100.bandwidth * BANDWIDTH_SHARE)  # half precision
    assert found.blocks["clip_b16__s224"].seconds == pytest.approx(max(arithmetic, memory))
    assert found.blocks["clip_b16__s224"].cpu == 0
    assert found.weights == 1e6 * sum(w.megabytes for w in get_extractor("clip_b16").spec.weights)
    slower = planned({"clip_b16": ["s224"]}, gpu=H100, half=False)
    assert slower.gpu > 3 * planned({"clip_b16": ["s224"]}, gpu=H100).gpu


def test_the_slower_side_is_the_limit() -> None:
    heavy = {"dinov2_l14": ["s518"]}
    assert planned(heavy, gpu=GPUS["t4"], workers=64).limit == "GPU: arithmetic"
    assert planned({"mdsi": ["full"]}, gpu=GPUS["t4"], workers=64).limit == "GPU: memory bandwidth"
    assert planned({"psnr": ["max512"]}, gpu=H100).limit == "CPU: decoding and resizing"
    stays = planned({"aligned": ["max512"]}, gpu=H100)
    assert stays.limit == "CPU: features"
    cost = get_extractor("aligned").spec.cost
    assert stays.blocks["aligned__max512"].cpu == pytest.approx(cost)


def test_a_gpu_waits_for_python_in_every_block() -> None:
    small = {name: ["max128"] for name in ("psnr", "gms", "haarpsi")}
    found = planned(small, gpu=H100, workers=64)
    assert found.handling == pytest.approx(3 * HANDLING)
    assert found.gpu > found.handling > sum(cost.gpu for cost in found.blocks.values())
    assert planned(small).handling == 0


def test_an_extractor_that_nobody_counted_is_guessed_from_its_cost_on_a_cpu() -> None:
    assert "objects" not in COUNTS
    assert planned({"objects": ["max512"]}, gpu=H100).blocks["objects__max512"].arithmetic > 0


def test_larger_pictures_and_a_slower_core_take_longer_to_decode() -> None:
    features = {"psnr": ["s256"]}
    usual = planned(features).decoding
    assert planned(features, PairSize(2048, 1536, ".png")).decoding > 8 * usual
    assert planned(features, PairSize(512, 384, ".jpg")).decoding < 0.7 * usual
    assert planned(features, core=Core(slowness=3.0)).decoding == pytest.approx(3 * usual)
    assert planned(features, references=10).decoding < 0.7 * usual  # decoded once for four


def test_crops() -> None:
    assert crops(View.parse("max512"), (1024, 768)) == (1, 512 * 384)
    assert crops(View.parse("c224"), (1024, 768)) == (1, 224**2)
    assert crops(View.parse("grid224x4"), (1024, 1024)) == (16, 224**2)
    assert crops(View.parse("tiles512"), (4000, 3000)) == (48, 512**2)
    assert crops(View.parse("tiles512"), (400, 3000)) == (6, 400 * 512)


def test_rows_of_the_store() -> None:
    [block] = Recipe.parse({"gms": ["max512"]}).blocks
    scalars = sum(1 for output in block.outputs.values() if not output.dim)
    assert row_bytes(block) == ROW_BYTES + 8 * scalars + 4 * 64
    assert planned({"gms": ["max512"]}).store == 100 * row_bytes(block)


def test_gpus_are_found_by_name() -> None:
    assert find_gpu("cpu") is None
    assert find_gpu("H100") is H100
    with pytest.raises(
        UsageError, match="device 'abacus': nothing is known of it; expected cpu or"
    ):
        find_gpu("abacus")


def test_what_is_counted_exists() -> None:
    assert COUNTS.keys() <= all_extractors().keys()
    for name, counts in COUNTS.items():
        assert get_extractor(name).spec.runs_on_gpu, name
        assert max(counts) > 0, name


def test_what_a_gpu_computes_is_counted() -> None:
    """But for what depends on content, and for networks whose weights have no stand-in."""
    uncounted = {"objects", "clipiqa", "dreamsim"}
    uncounted |= {name for name in all_extractors() if name.startswith("qwen3_vl")}
    gpu = {name for name, entry in all_extractors().items() if entry.spec.runs_on_gpu}
    assert gpu - COUNTS.keys() == uncounted


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("vif", "mad", "pieapp")]


@pytest.mark.parametrize("name", ["gms", *SLOW])
def test_counts_are_what_the_benchmark_counts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    count_costs = importlib.import_module("count_costs")
    assert COUNTS[name] == pytest.approx(count_costs.count(name), rel=1e-3, abs=1e-9)


def test_counts_of_networks_are_near_their_published_operations() -> None:
    """Two pictures of 224 × 224 through VGG16 (15.5 GMAC), VGG19 (19.6) and ViT-B/14 (one each)."""
    published = {"lpips_vgg": 2 * 15.5e9, "deepdc": 2 * 19.6e9, "dinov2_b14": 2 * 22.2e9}
    for name, operations in published.items():
        flops, square, _, _ = COUNTS[name]
        assert (flops + square * 224**2) * 224**2 == pytest.approx(2 * operations, rel=0.12), name


def test_sizes_are_read_from_the_headers_of_a_sample(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    good, bad = (Pair(n, tmp_path / f"{n}.png", Path("x.JPG"), "train") for n in "ab")
    assert sizes_of([good, bad]) == [PairSize(30, 20, ".JPG")]
    assert len(sizes_of([good] * (3 * SAMPLE))) == SAMPLE
    with pytest.raises(DataError, match=r"b\.png: cannot be read as a picture"):
        sizes_of([bad])
    with pytest.raises(DataError, match="there are no pairs"):
        sizes_of([])


def test_what_was_measured_replaces_the_cost_of_the_spec() -> None:
    core = Core({"ssim": 0.5}, slowness=2.0)
    found = planned({"ssim": ["max512", "max256"], "vif": ["max512"]}, core=core).blocks
    assert found["ssim__max512"].cpu == pytest.approx(0.5)
    assert found["ssim__max256"].cpu == pytest.approx(0.5 / 4)
    assert found["vif__max512"].cpu == pytest.approx(2 * get_extractor("vif").spec.cost)


def test_a_core_is_measured_by_what_is_quick_and_there() -> None:
    names = ("psnr", "gms", "mad", "clip_b16")  # mad takes 15 s, and CLIP's weights are not there
    core = measured_core(get_extractor(name).spec for name in names)
    assert set(core.seconds) == {"psnr", "gms"}
    assert all(seconds > 0 for seconds in core.seconds.values())
    ratios = [core.seconds[name] / get_extractor(name).spec.cost for name in core.seconds]
    assert core.slowness == pytest.approx(sum(ratios) / 2)
    assert measured_core([]) == Core()
