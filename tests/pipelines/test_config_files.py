"""Configuration files that no configuration can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config_files import MAX_CHARACTERS
from pipelines.setting_sources import load_settings
from seiqa_features.errors import UsageError


@pytest.mark.parametrize("length", [MAX_CHARACTERS + 1, 10 * MAX_CHARACTERS])
def test_a_file_that_is_too_long_is_not_parsed(length: int, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("# " + "x" * (length - 2))
    with pytest.raises(UsageError, match=f"more than {MAX_CHARACTERS} characters"):
        load_settings(config=str(path), run=tmp_path)


SOUND = "features: {psnr: [max256]}\nlearners: [ridge]\n"
LAUGHS = "".join(f"b{k + 1}: &b{k + 1} [{', '.join([f'*b{k}'] * 9)}]\n" for k in range(12))
MERGES = "".join(f"b{k + 1}: &b{k + 1} {{<<: [{', '.join([f'*b{k}'] * 9)}]}}\n" for k in range(12))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{SOUND}b0: &b0 [x]\n{LAUGHS}", "counting what aliases stand for"),
        (f"{SOUND}b0: &b0 {{x: 1}}\n{MERGES}", "counting what aliases stand for"),
        ("features: &a [*a]", "something that it is part of"),
        ("features: " + "[" * 45_000 + "]" * 45_000, "nested too deeply"),
        ("features:\n" + "- " * 40_000 + "x", "nested too deeply"),
        (f"{SOUND}fusion: " + "{a: " * 5_000, "nested too deeply"),
        (f"{SOUND}seed: " + "9" * 90_000, "a number of 90000 characters"),
        (f"{SOUND}seed: 0x" + "f" * 90_000, "a number of 90002 characters"),
        (f"{SOUND}seed: 1" + ":59" * 30_000, "a number of 90001 characters"),
        (f"{SOUND}1: 2", "1 is no name of a setting"),
        ("- psnr\n- ridge", "it is a list, not settings by name"),
        ("psnr", "it is a str, not settings by name"),
        (f"{SOUND}seed: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        (f"{SOUND}learners: [gp]", "learners appears more than once"),
    ],
)
def test_what_no_configuration_can_be_is_one_line(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as refused:
        load_settings(config=str(path), run=tmp_path)
    assert len(refused.value.problems) == 1
    assert refused.value.problems[0].startswith(f"config {path}: ")


def test_aliases_of_a_reasonable_configuration_are_followed(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("features: {psnr: &views [max256], ssim: *views}\nlearners: [ridge]\n")
    settings = load_settings(config=str(path), run=tmp_path)
    assert settings.features == {"psnr": ["max256"], "ssim": ["max256"]}


def test_a_variable_that_nests_too_deeply_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEIQA_FEATURES", "[" * 100_000)
    with pytest.raises(UsageError, match="cannot be read: expected JSON"):
        load_settings(config="classical", run=Path("run"))
