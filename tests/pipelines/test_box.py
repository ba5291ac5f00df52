"""The built-in model's training data: laboratories in one manifest, shared scenes alike."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from pipelines.box import LIVE, TID, write_manifest

RENDER = "import pathlib, sys\n(pathlib.Path(sys.argv[1]) / 'rendered').touch()\n"


def test_laboratories_are_rendered_into_one_manifest(tmp_path: Path) -> None:
    recipes = {
        "tid2013_kodak/recipe": {"ref_img": "I02.png", "dist_img": "i02_07_1.png", "MOS": 5.5},
        "tid2013_kodak_more/recipe_more": {"ref_img": "I03", "dist_img": "i03_1.bmp", "MOS": 4.5},
        "live_r2/recipe": {"ref_img": "a.bmp", "dist_img": "img1.bmp", "distortion": "jpeg",
                           "DMOS": 30.0, "kodak": 2},
        "raid/recipe": {"ref_img": "img_02.png", "dist_img": "rot_img_02_level_02.png",
                        "distortion": "rotation", "level": 7, "MOS": 5.4356},
    }  # fmt: skip
    for name, row in recipes.items():
        table = tmp_path / "data" / f"{name}.csv"
        table.parent.mkdir(parents=True)
        pd.DataFrame([row]).to_csv(table, index=False)
        (table.parent / "render.py").write_text(RENDER)
    live = tmp_path / "data/live_r2/recipe.csv"
    other = {**recipes["live_r2/recipe"], "ref_img": "b.bmp", "kodak": None}
    pd.DataFrame([recipes["live_r2/recipe"], other]).to_csv(live, index=False)
    raid = tmp_path / "data/raid/recipe.csv"
    noise = {**recipes["raid/recipe"], "distortion": "noise"}
    less = {**recipes["raid/recipe"], "level": 2}
    pd.DataFrame([recipes["raid/recipe"], noise, less]).to_csv(raid, index=False)
    (raid.parent / "recipe_unverified.csv").write_text("ref_img\n")
    made = tmp_path / "made"
    made.mkdir()
    rows = pd.read_csv(write_manifest(tmp_path / "data", made))
    assert rows["collection"].tolist() == [TID, TID, LIVE, LIVE, TID]
    assert rows["group"].tolist() == ["kodak 2", "kodak 3", "kodak 2", "b", "kodak 2"]
    assert rows["mos"].fillna(-1).tolist() == [5.5, 4.5, -1, -1, 7.21429]
    assert rows["dmos"].fillna(-1).tolist() == [-1, -1, 30, 30, -1]
    assert rows["ref"][1] == str(tmp_path / "data/tid2013_kodak/reference/I03.png")
    assert rows["dist"][1] == str(made / "tid2013_kodak_more/i03_1.png")
    assert rows["dist"][2] == str(made / "live_r2/jpeg_img1.png")
    assert rows["ref"][4] == str(made / "raid/img_02.png")
    assert (made / "live_r2/rendered").exists()
