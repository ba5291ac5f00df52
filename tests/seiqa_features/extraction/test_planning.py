"""How the blocks of a few pairs are divided among more workers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

from seiqa_features.extraction.direct import held
from seiqa_features.extraction.jobs import Job
from seiqa_features.extraction.planning import shared_among
from seiqa_features.table.recipe import Recipe

RECIPE = Recipe.parse({
    "psnr": ["max512", "max256"], "mdsi": ["max512"], "haarpsi": ["max512"], "iw_ssim": ["max256"],
})  # fmt: skip


def jobs(count: int) -> list[Job]:
    picture = held(Image.new("RGB", (32, 32)))
    keys = [("ref", f"dist{number}") for number in range(count)]
    return [Job(key, key[1], picture, picture, RECIPE.blocks) for key in keys]


def names(job: Job) -> set[str]:
    return {block.name for block in job.blocks}


def test_blocks_of_one_view_stay_together_and_the_longest_part_comes_first() -> None:
    assert [names(part) for part in shared_among(jobs(1), 2)] == [
        {"iw_ssim__max256", "psnr__max256"},
        {"psnr__max512", "mdsi__max512", "haarpsi__max512"},
    ]


@pytest.mark.parametrize("workers", [3, 4, 5, 16])
def test_parts_are_divided_until_every_worker_has_one(workers: int) -> None:
    parts = shared_among(jobs(1), workers)
    assert len(parts) == min(workers, len(RECIPE.blocks))
    assert sorted(block.name for part in parts for block in part.blocks) == sorted(
        block.name for block in RECIPE.blocks
    )


def test_blocks_whose_cost_is_not_known_are_divided_too() -> None:
    (job,) = jobs(1)
    free = tuple(replace(block, spec=replace(block.spec, cost=0.0)) for block in job.blocks)
    parts = shared_among([replace(job, blocks=free)], 4)
    assert len(parts) == 4
    assert sum(len(part.blocks) for part in parts) == len(free)


def test_as_many_pairs_as_workers_are_not_divided() -> None:
    whole = jobs(3)
    assert shared_among(whole, 3) == whole
    assert shared_among(whole, 5) == whole
    assert len(shared_among(whole, 6)) == 6
