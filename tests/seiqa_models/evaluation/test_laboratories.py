"""The matrix trained-on × judged-on, scenes never on both sides."""

from __future__ import annotations

import numpy as np
import pytest

from seiqa_models.core.errors import TableError
from seiqa_models.core.metrics import plcc, srocc
from seiqa_models.evaluation.laboratories import judge_laboratories, monotone_mapped
from seiqa_models.stack.regressor import SeiqaRegressor

QUICK = ("ridge",)


@pytest.fixture
def three(make_table):
    """Three laboratories with scales of their own; B shares two scenes with A."""
    X, y, groups = make_table(n_groups=12, rows=10)
    scenes = np.repeat(np.arange(12), 10)
    names = np.array(["A", "B", "C"])[scenes // 4]
    groups = np.where(scenes == 4, "ref0", np.where(scenes == 5, "ref1", groups))
    labels = np.select([names == "B", names == "C"], [10 + 8 * y, np.exp(y / 3)], y)
    return X, labels, groups, names


def test_every_laboratory_is_judged_by_each_and_by_the_others(three) -> None:
    X, y, groups, names = three
    done: list[tuple[int, int]] = []
    cells = judge_laboratories(
        SeiqaRegressor(QUICK, n_splits=3), X, y, groups, names, on_fit=lambda *n: done.append(n)
    )
    assert [(cell.trained_on, cell.judged_on) for cell in cells[:4]] == [
        (("A",), "A"), (("B",), "A"), (("C",), "A"), (("B", "C"), "A"),
    ]  # fmt: skip
    assert len(cells) == 18
    assert [cell.scored_as for cell in cells[3:6]] == [None, "B", "C"]
    assert [cell.left_out for cell in cells[:6]] == [False, True, True, True, True, True]
    assert all(cell.n == 40 and cell.scenes == 4 for cell in cells)
    assert min(cell.srocc for cell in cells) > 0.9
    assert min(cell.plcc for cell in cells) > 0.9
    assert min(cell.within for cell in cells) > 0.8
    assert done[-1][0] == done[-1][1] == len(done)
    assert cells[3].model_dump(mode="json")["trained_on"] == ["B", "C"]


def test_a_shared_scene_is_never_trained_on(three, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, groups, names = three
    seen = []

    def fit(self, X, *_, **__):
        self.known = set(X.index)
        seen.append(self)
        return self

    def predict(self, X):
        scenes = dict(zip(three[0].index, three[2], strict=True))
        assert not {scenes[i] for i in X.index} & {scenes[i] for i in self.known}
        return np.arange(len(X), dtype=float)

    monkeypatch.setattr(SeiqaRegressor, "fit", fit)
    monkeypatch.setattr(SeiqaRegressor, "predict", predict)
    judge_laboratories(SeiqaRegressor(QUICK, n_splits=3), X, y, groups, names)
    assert seen


def test_the_mapping_rises_and_straightens() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=300)
    label = 100 / (1 + np.exp(-2 * score))
    mapped = monotone_mapped(score, label)
    assert srocc(score, mapped) == pytest.approx(1)
    assert plcc(label, mapped) == pytest.approx(1, abs=1e-6)
    assert plcc(label, mapped) > plcc(label, score)
    falling = monotone_mapped(score, -label)
    assert srocc(score, falling) >= 0  # it is no way out of a wrong order
    assert monotone_mapped(np.ones(3), [1.0, 2.0, 3.0]).tolist() == [1, 1, 1]


def test_one_laboratory_is_no_matrix(make_table) -> None:
    X, y, groups = make_table()
    with pytest.raises(TableError, match="there is only the collection A"):
        judge_laboratories(SeiqaRegressor(QUICK), X, y, groups, ["A"] * len(y))


def test_what_cannot_be_learned_together_costs_its_own_cells_only(three) -> None:
    X, y, groups, names = three
    y = np.where(names == "C", np.tile(np.arange(10.0), 12), y)  # unrelated to what A or B says
    said: list[str] = []
    cells = judge_laboratories(
        SeiqaRegressor(QUICK, n_splits=3), X, y, groups, names, on_left_out=said.append
    )
    found = {(cell.trained_on, cell.judged_on) for cell in cells}
    assert (("A", "C"), "B") not in found
    assert {(("A",), "B"), (("A", "B"), "C"), (("C",), "C")} <= found
    assert any(line.startswith("B from A and C: collection C: SROCC") for line in said)
