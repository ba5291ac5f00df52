"""Parts of piq: without torchvision where nobody has it yet, and never in the way of piq itself."""

from __future__ import annotations

import subprocess
import sys

import piq
import pytest

from seiqa_features.extractors.classical.piq_parts import piq_part

NAMES = ("psnr", "vif_p", "vsi", "haarpsi", "mdsi", "dss", "iw_ssim", "fsim", "srsim")


def test_building_its_extractors_imports_no_networks() -> None:
    code = (
        "import sys\n"
        "from seiqa_features.extractors.registry import get_extractor\n"
        "from seiqa_features.extractors.specs import Resources\n"
        f"for name in {NAMES}: get_extractor(name).build(Resources())\n"
        "heavy = {'torchvision', 'pyiqa', 'torch._dynamo', 'piq'} & set(sys.modules)\n"
        "part = sys.modules['piq.mdsi']\n"
        "import piq\n"
        "whole = piq.mdsi is part.mdsi and callable(piq.ssim) and callable(piq.LPIPS)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0 if whole else 'piq is not whole')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_parts_are_those_of_piq_where_it_is_imported() -> None:
    assert piq_part("mdsi").mdsi is piq.mdsi
    assert sys.modules["piq"] is piq


def test_an_unknown_part_leaves_piq_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModuleNotFoundError):
        piq_part("nothing")
    monkeypatch.delitem(sys.modules, "piq")
    with pytest.raises(ModuleNotFoundError):
        piq_part("nothing")
    assert "piq" not in sys.modules
