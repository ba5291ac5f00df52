"""Few references of a large table: do the claims come true, and do the ingredients do better?

    python benchmarks/claims.py TABLE.csv [--draws 24] [--references 6 8 10 15] [--kinds]
                                [--pool quick] [--some-kinds 8] [--out FILE]

TABLE is KADID-10k's or TID2013's (`public_tables.py` says with which columns). Each draw takes so
many references with all their pairs, one number after the other, and 5 to 9 metrics, by a fixed
seed, and makes the claim that a run would make: `seiqa_models.evaluate`'s honest final with its
95 % interval. The truth is the final of the fitted stack on pairs of the references that were not
drawn, each rated as a set of as many references as the claim was made on, so that both speak of the
same thing. TID2013's table has 11 references, so that little is left to be the truth there.

Printed by number of references, and for all draws: mean claim - truth (`miss`), mean |claim -
truth| (`off`), the share of intervals that hold the truth (`held`; 95 in 100 are promised, 93
wanted) and their mean width. Where few references are left the truth is itself uncertain, and an
interval that is right holds it less often. `held few` is therefore the share of intervals for the
mean of as few references as are left (`fresh_interval`), which should be 95 in 100 for any number
of them. Then the stack's held-out final against that of each member and of the best metric *chosen
inside the training part*: mean over the draws, and the tenth percentile. What may be left out to
save time, and how a study continues, is in `draws.py`.
"""
# ruff: noqa: T201

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from draws import drawn_part, draws_parser, every_draw, regressor_of, study_of
from public_tables import load

from seiqa_models.core.arrays import FloatVector, Rows
from seiqa_models.core.checks import TrainingTable
from seiqa_models.core.metrics import final_score
from seiqa_models.evaluation.bootstrap import fresh_interval
from seiqa_models.evaluation.evaluate import evaluate
from seiqa_models.stack.regressor import SeiqaRegressor

SETS = 200
"""Sets of held-out references that the truth is the mean over."""
ALONE = "alone: "
"""Before the name of an ingredient, in the columns of what `claim` found."""


def main() -> None:
    """Make every claim, look, and print."""
    options = draws_parser(__doc__, (6, 8, 10, 15)).parse_args()
    table = load(options.table)
    available = int(table.groups.max()) + 1
    options.references = [size for size in options.references if size < available]
    study = study_of(options, options.config)
    one = partial(
        claim,
        regressor_of(options.config, options.pool),
        table,
        options.references,
        options.some_kinds,
        options.kinds,
    )
    found = every_draw(one, options.draws, study, options.jobs, options.out)
    found["held few"] = held_few(found, available)
    print(f"\n{study}: {options.draws} draws")
    show = "{:.4f}".format
    print(summary(found, found["references"]).to_string(float_format=show))
    print(summary(found, pd.Series("all", found.index)).to_string(float_format=show))
    print("\nThe stack's lead over its ingredients, draw by draw, on held-out references")
    print(leads(found).to_string(float_format="{:+.4f}".format))


def claim(
    regressor: SeiqaRegressor,
    table: TrainingTable,
    sizes: list[int],
    kinds: int | None,
    told: bool,
    draw: int,
) -> dict[str, float]:
    """The claim from one draw of references and metrics, the truth, and the ingredients."""
    size = sizes[draw % len(sizes)]
    rng = np.random.default_rng((size, draw))
    drawn, every = drawn_part(table, size, kinds, rng)
    known = drawn.kinds if told else None
    evaluation = evaluate(regressor, drawn.X, drawn.y, drawn.groups, kinds=known)
    figures = evaluation.to_dict()
    low, high = figures["honest"]["interval"]
    rest = np.flatnonzero(~np.isin(every.X.index, drawn.X.index))
    score = evaluation.regressor.predict(every.X.iloc[rest])
    truth = mean_final(every.y[rest], score, every.groups[rest], size, rng)
    parts = {"best metric": figures["best_single"], **figures["learners"]}
    return {
        "references": size,
        "rows": len(drawn.y),
        "metrics": drawn.X.shape[1],
        "claim": figures["honest"]["final"],
        "truth": truth,
        "held": float(low <= truth <= high),
        "low": low,
        "high": high,
        "width": high - low,
        **{f"{ALONE}{name}": part["final"] for name, part in parts.items()},
    }


def mean_final(
    y: FloatVector, score: FloatVector, groups: Rows, size: int, rng: np.random.Generator
) -> float:
    """Mean final over sets of so many references, or all there are where they are fewer."""
    names = np.unique(groups)
    sets = [rng.choice(names, min(size, len(names)), replace=False) for _ in range(SETS)]
    rows = [np.flatnonzero(np.isin(groups, chosen)) for chosen in sets]
    return float(np.mean([final_score(y[at], score[at]) for at in rows]))


def held_few(found: pd.DataFrame, available: int) -> list[bool]:
    """Whether the truth of each draw is in the interval for as few references as were left."""
    held = []
    for draw in found.itertuples():
        low, high = fresh_interval(
            draw.claim,
            [draw.low, draw.high],
            groups=draw.references,
            fresh=available - draw.references,
        )
        held.append(low <= draw.truth <= high)
    return held


def summary(found: pd.DataFrame, by: pd.Series) -> pd.DataFrame:
    """Claims and truths of draws that belong together."""
    off = found["claim"] - found["truth"]
    found = found.assign(miss=off, off=off.abs())
    means = found.groupby(by)[["claim", "truth", "miss", "off", "held", "held few", "width"]].mean()
    return means.assign(draws=found.groupby(by).size())


def leads(found: pd.DataFrame) -> pd.DataFrame:
    """For each ingredient, the best on average first: mean and tenth percentile of the lead."""
    alone = found.filter(like=ALONE)
    lead = -alone.sub(found["claim"], axis=0)
    table = pd.DataFrame({"mean lead": lead.mean(), "tenth percentile": lead.quantile(0.1)})
    order = alone.mean().sort_values(ascending=False).index
    return table.loc[order].rename(index=lambda name: name.removeprefix(ALONE))


if __name__ == "__main__":
    main()
