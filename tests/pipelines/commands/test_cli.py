"""The command line itself: instant help, settings' precedence, what is documented exists."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipelines.config_files import CONFIGS
from pipelines.runs.model import make_regressor
from pipelines.setting_sources import load_settings
from seiqa_features.errors import UsageError
from seiqa_features.extractors.registry import all_extractors
from seiqa_features.table.recipe import Recipe
from seiqa_models.fusions.bounded import BoundedFusion
from seiqa_models.fusions.registry import make_fusion
from seiqa_models.stack.pool.fitted import check_members
from tests.pipelines.conftest import Cli

ROOT = Path(__file__).resolve().parents[3]


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom pipelines.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'numpy', 'sklearn', 'pyiqa'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in ("check", "features", "train", "submit", "report", "run", "demo", "score"):
        assert re.search(rf"^\W*{verb}\b", done.stdout, re.MULTILINE), verb


def test_flags_beat_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(
        yaml.safe_dump({"features": {"gms": ["s64"]}, "learners": ["svr"], "seed": 1})
    )
    assert load_settings(data="d", config=str(config)).seed == 1
    monkeypatch.setenv("SEIQA_SEED", "2")
    assert load_settings(data="d", config=str(config)).seed == 2
    assert load_settings(data="d", config=str(config), seed=3).seed == 3
    monkeypatch.setenv("SEIQA_CONFIG", str(config))
    assert load_settings(data="d").learners == ["svr"]


def test_saved_settings_load_again(tmp_path: Path) -> None:
    settings = load_settings(data="d", run="r", workers=3)
    settings.save(tmp_path / "settings.yaml")
    assert load_settings(config=str(tmp_path / "settings.yaml"), workers=3).features == (
        settings.features
    )


def test_tiles_become_a_view_of_local_metrics_in_any_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load_settings(data="d").features["mdsi"] == ["max512", "max128", "tiles512"]
    plain = load_settings(data="d", config="boxed").features
    monkeypatch.setenv("SEIQA_TILES", "true")
    settings = load_settings(data="d", run="r", config="boxed")
    more = {name: views for name, views in settings.features.items() if views != plain[name]}
    assert set(more) == {"gms", "mdsi", "haarpsi", "lite0"}
    assert more["lite0"] == ["min224_aligned", "tiles512_aligned"]
    settings.save(tmp_path / "settings.yaml")  # what is there is not added again
    assert load_settings(config=str(tmp_path / "settings.yaml")).features == settings.features


def test_run_folder_is_named_after_data_and_config(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("")
    assert load_settings(data=tmp_path).run == Path("runs") / f"{tmp_path.name}-best"
    manifest = load_settings(data=tmp_path / "m.csv", config="classical")
    assert manifest.run.name == f"{tmp_path.name}-m-classical"


def test_the_folder_of_a_run_is_not_taken_for_data(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").touch()
    with pytest.raises(UsageError, match="is the folder of a run, not data; name it with --run"):
        load_settings(data=str(tmp_path))
    assert load_settings(data=str(tmp_path), run=str(tmp_path)).run == tmp_path


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_configurations_name_what_exists(path: Path) -> None:
    settings = load_settings(data="d", config=path.stem)
    features = dict(settings.features)
    if settings.finetune is not None:  # what it trains does not exist yet
        features.pop(settings.finetuned_feature)
        features[settings.finetune.base] = [settings.finetune.view]
    recipe = Recipe.parse(features)
    assert len({block.fingerprint for block in recipe.blocks}) == len(recipe.blocks)
    check_members(settings.learners)


def test_classical_takes_everything_that_needs_no_weights_at_two_views() -> None:
    """But MAD, which takes 15 s a pair, and the grey error, which says what PSNR says.

    The second look after alignment is in `offline`: people's scores in the collections at hand are
    of pictures that did not move, and the classical figures are published without it.
    """
    settings = load_settings(data="d", config="classical")
    free = {name for name, entry in all_extractors().items() if not entry.spec.weights}
    assert settings.features.keys() == free - {"mad", "grey_mse", "aligned"}
    assert all(len(views) >= 2 for views in settings.features.values())


def test_unknown_setting_in_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("learnrs: [svr]\n")
    with pytest.raises(UsageError, match="learnrs"):
        load_settings(data="d", config=str(tmp_path / "c.yaml"))


@pytest.mark.parametrize("written", ["mean", "{name: mean}", '{"name": "mean"}'])
def test_a_fusion_is_named_in_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    monkeypatch.setenv("SEIQA_FUSION", written)
    assert load_settings(data="d").fusion.name == "mean"
    monkeypatch.delenv("SEIQA_FUSION")
    (tmp_path / "c.yaml").write_text(f"features: {{gms: [s64]}}\nlearners: [gp]\nfusion: {written}")
    settings = load_settings(data="d", config=str(tmp_path / "c.yaml"))
    assert settings.fusion.name == "mean"
    assert settings.fusion.parameters == {}


@pytest.mark.parametrize("config", ["best", "classical", "offline", "boxed"])
def test_the_fusion_is_the_default_of_the_stack(config: str) -> None:
    """In which no member's weight exceeds a third or so."""
    fusion = make_regressor(load_settings(data="d", config=config)).fusion
    assert isinstance(fusion, type(make_fusion()))
    assert fusion.get_params() == make_fusion().get_params()
    assert fusion.max_weight < 0.5


def test_parameters_of_a_fusion_reach_the_stack_and_the_saved_settings(tmp_path: Path) -> None:
    settings = load_settings(data="d", config="runner_up")
    settings.save(tmp_path / "settings.yaml")
    again = load_settings(config=str(tmp_path / "settings.yaml"))
    for one in (settings, again):
        fusion = make_regressor(one).fusion
        assert isinstance(fusion, BoundedFusion)
        assert (fusion.max_weight, fusion.shrinkage, fusion.srocc_share) == (0.35, 0.15, 0.75)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        ("bouned", "setting fusion: unknown fusion 'bouned': did you mean 'bounded'"),
        ("{name: mean, rounds: 3}", "setting fusion: fusion 'mean' has no parameter 'rounds'"),
        ("[mean]", "setting fusion: Input should be a valid dictionary"),
    ],
)
def test_a_fusion_that_is_not_there_is_found_out_before_any_work(
    cli: Cli, tmp_path: Path, seiqa_data: Path, fusion: str, message: str
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"features: {{gms: [s64]}}\nlearners: [ridge]\nfusion: {fusion}")
    code, _, err = cli("run", seiqa_data, "--config", config, "--run", tmp_path / "r")
    assert (code, message in err) == (2, True), err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["max_weight", "shrinkage", "srocc_share"])
def test_settings_that_moved_into_the_fusion_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(f"features: {{gms: [s64]}}\nlearners: [gp]\n{name}: 0.4")
    with pytest.raises(UsageError, match=rf"setting {name}: .*name: bounded, {name}: …") as caught:
        load_settings(data="d", config=str(config))
    assert "\n" not in str(caught.value)
    monkeypatch.setenv(f"SEIQA_{name.upper()}", "0.4")
    with pytest.raises(UsageError, match=f"the variable SEIQA_{name.upper()}: .*fusion now"):
        load_settings(data="d")


def test_extractors_lists_all(cli: Cli) -> None:
    code, out, _ = cli("extractors")
    assert code == 0
    assert set(all_extractors()) <= {line.split()[0] for line in out.splitlines() if line[0] != " "}


def test_makefile_targets_in_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    used = set(re.findall(r"\bmake ((?:[a-z]+ )*[a-z]+)", (ROOT / "README.md").read_text()))
    named = {target for group in used for target in group.split()}
    assert {"demo", "test", "run"} <= named
    assert named <= targets


def test_no_file_names_a_package_registry() -> None:
    pattern = re.compile(r"pypi\.org|pythonhosted|://", re.IGNORECASE)
    assert not pattern.search((ROOT / "constraints.txt").read_text())
    assert not re.search(r"pypi|index-url", (ROOT / "Makefile").read_text(), re.IGNORECASE)
