"""Numbers by name: metrics, extractors, and single outputs."""

from __future__ import annotations

import pytest

from seiqa_features.errors import UsageError
from seiqa_features.extractors.registry import list_extractors
from seiqa_features.table.quantities import find_quantities, find_quantity


def names(name: str, *, details: bool = False) -> list[str]:
    return [quantity.name for quantity in find_quantities(name, details=details)]


def test_a_metric_is_one_number_even_where_an_extractor_has_its_name() -> None:
    assert names("SSIM") == ["ssim"]
    assert find_quantity("ssim").output == "value"
    assert names("ssim", details=True)[:2] == ["ssim", "ms_ssim"]
    assert names("ms-ssim", details=True)[:2] == ["ms_ssim", "ssim"]
    assert set(names("ssim", details=True)) == set(names("ms_ssim", details=True))


def test_an_extractor_is_all_its_scalars_and_an_output_is_one() -> None:
    assert names("gms")[:3] == ["gmsd", "gmsm", "gms__patch_std"]
    assert names("gms__gmsd") == names("gmsd") == ["gmsd"]
    assert names("clip_b16__image_cosine") == ["clip_b16__image_cosine"]
    assert "clip_b16__image_cosine" in names("clip_b16")
    assert not any("grid" in name or "image_ref" in name for name in names("clip_b16"))


@pytest.mark.parametrize("name", list_extractors())
def test_every_number_is_found_by_its_own_name(name: str) -> None:
    found = find_quantities(name, details=True)
    assert found
    assert len({quantity.name for quantity in found}) == len(found)
    for quantity in found:
        assert find_quantity(quantity.name) == quantity


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "extractor 'nothing' does not exist"),
        ("nothing__value", "extractor 'nothing' does not exist"),
        ("ssim__cs9", "extractor ssim has no scalar output 'cs9'; did you mean ssim__cs"),
        ("colour__hist_ref", "extractor colour has no scalar output 'hist_ref'"),
        ("colour__grid", "extractor colour has no scalar output 'grid'"),
    ],
)
def test_names_that_stand_for_nothing(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find_quantities(name)


def test_one_number_is_wanted() -> None:
    with pytest.raises(UsageError, match="colour is an extractor of 15 numbers; name one"):
        find_quantity("colour")
