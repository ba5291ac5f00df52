"""Blend: purposes, the gate of the consensus, and the fallback for rows unlike all others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from seiqa_models.core.columns import (
    AGREEMENT,
    BEYOND_SHARE,
    CONSENSUS,
    FALLBACK,
    FALLBACK_SHARE,
)
from seiqa_models.core.metrics import final_score
from seiqa_models.fusions import make_fusion
from seiqa_models.fusions.protocol import HeldOut
from seiqa_models.stack.blend import AFFORDABLE, FALLBACKS, GATES, Blend

MEMBERS = ["good", "poor@2"]


def held_out(
    *, consensus_noise: float, fallback_noise: float = 9.0, share: float = 0.0, seed: int = 0
):
    """Two members; columns agree on every other row, where their consensus can be good.

    Every fourth row is unlike the others to the given share.
    """
    rng = np.random.default_rng(seed)
    y = rng.uniform(0, 5, 200)
    agree = np.arange(200) % 2 == 0
    noise = np.where(agree, consensus_noise, 3.0)
    predictions = {
        "good": y + 0.5 * rng.normal(size=200),
        "poor@2": y + 2.0 * rng.normal(size=200),
        CONSENSUS: y + noise * rng.normal(size=200),
        AGREEMENT: np.where(agree, 0.9, 0.0),
        FALLBACK: y + fallback_noise * rng.normal(size=200),
        FALLBACK_SHARE: np.where(np.arange(200) % 4 == 0, share, 0.0),
        BEYOND_SHARE: 0.0,
    }
    return pd.DataFrame(predictions), y, np.arange(200) // 10


def fitted(purpose: str, *, consensus_noise: float = 0.1, **settings) -> Blend:
    P, y, groups = held_out(consensus_noise=consensus_noise)
    fusion = make_fusion("bagged", max_weight=0.9)
    return Blend(purpose, **settings).fit(fusion, P, MEMBERS, y, groups)


def test_home_trusts_what_left_out_groups_say_and_abroad_members_count_alike():
    home, abroad = fitted("home"), fitted("abroad")
    assert home.weights_["good"] > 0.6
    assert abroad.weights_ == {"good": 0.5, "poor@2": 0.5}


@pytest.mark.parametrize(("noise", "gate"), [(0.1, GATES[-1]), (3.0, 0.0)])
def test_home_opens_the_gate_only_where_that_loses_nothing(noise, gate):
    assert fitted("home", consensus_noise=noise).gate_ == gate
    assert fitted("abroad", consensus_noise=noise).gate_ == GATES[-1]


def test_consensus_counts_only_where_the_columns_agree():
    P, y, _ = held_out(consensus_noise=0.1, seed=1)
    plain = fitted("home", consensus=False, calibrate=False)
    gated = fitted("home", calibrate=False)
    torn = P[AGREEMENT] == 0
    np.testing.assert_array_equal(gated.predict(P)[torn], plain.predict(P)[torn])
    assert final_score(y[~torn], gated.predict(P)[~torn]) > final_score(
        y[~torn], plain.predict(P)[~torn]
    )


def test_without_consensus_and_calibration_the_fusion_is_the_score():
    P, _, _ = held_out(consensus_noise=0.1)
    blend = fitted("abroad", consensus=False, calibrate=False)
    np.testing.assert_allclose(blend.predict(P), P[MEMBERS].mean(axis=1))


@pytest.mark.parametrize(("noise", "share"), [(0.5, 1.0), (9.0, 0.0)])
def test_home_falls_back_only_as_far_as_familiar_kinds_can_afford(noise, share):
    P, y, groups = held_out(consensus_noise=3.0, fallback_noise=noise, share=0.9)
    home, abroad = (
        Blend(purpose, calibrate=False).fit(make_fusion(), P, MEMBERS, y, groups)
        for purpose in ("home", "abroad")
    )
    assert (home.fallback_, abroad.fallback_) == (share, FALLBACKS[-1])
    never = P.assign(**{FALLBACK_SHARE: 0.0})
    assert final_score(y, home.predict(P)) >= final_score(y, home.predict(never)) - AFFORDABLE


def test_rows_unlike_all_others_are_scored_by_the_fallback_and_others_are_not():
    P, y, groups = held_out(consensus_noise=3.0, fallback_noise=0.0, share=1.0)
    blend = Blend("abroad", calibrate=False).fit(make_fusion(), P, MEMBERS, y, groups)
    unlike = P[FALLBACK_SHARE] == 1
    np.testing.assert_allclose(blend.predict(P)[unlike], y[unlike])
    never = blend.predict(P.assign(**{FALLBACK_SHARE: 0.0}))
    np.testing.assert_array_equal(blend.predict(P)[~unlike], never[~unlike])


def test_rows_worse_than_all_others_are_scored_by_the_consensus_and_others_are_not():
    P, y, groups = held_out(consensus_noise=0.1, share=0.5)
    blend = Blend("abroad", calibrate=False).fit(make_fusion(), P, MEMBERS, y, groups)
    beyond = np.where(np.arange(200) % 8 == 0, [1.0], [0.0])
    found = blend.predict(P.assign(**{BEYOND_SHARE: beyond}))
    np.testing.assert_array_equal(found[beyond == 1], P[CONSENSUS][beyond == 1])
    np.testing.assert_array_equal(found[beyond == 0], blend.predict(P)[beyond == 0])


def test_home_counts_what_following_the_consensus_costs():
    P, y, groups = held_out(consensus_noise=9.0, fallback_noise=0.1, share=0.9)
    P[BEYOND_SHARE] = np.where(np.arange(200) % 3 == 0, [1.0], [0.0])
    home = Blend("home").fit(make_fusion(), P, MEMBERS, y, groups)
    assert home.fallback_ == 0


def test_shares_of_what_was_not_learned_add_up():
    P, y, groups = held_out(consensus_noise=3.0, share=0.5)
    blend = Blend("abroad").fit(make_fusion(), P, MEMBERS, y, groups)
    some = P.assign(**{FALLBACK_SHARE: [0.0, 0.5] * 100, BEYOND_SHARE: [0.5] * 100 + [0.0] * 100})
    np.testing.assert_allclose(blend.unlearned(some), [0.5, 0.75] * 50 + [0.0, 0.5] * 50)


def test_without_consensus_nothing_falls_back():
    P, y, groups = held_out(consensus_noise=0.1, fallback_noise=0.0, share=1.0)
    blend = Blend("abroad", consensus=False).fit(make_fusion(), P, MEMBERS, y, groups)
    assert blend.fallback_ == 0
    odd = P.assign(**{BEYOND_SHARE: 1.0})
    np.testing.assert_array_equal(blend.predict(odd), blend.predict(P))
    assert blend.unlearned(odd).max() == 0


def left_out(*, good: float, poor: float, consensus: float, seed: int) -> HeldOut:
    """A collection as predicted by members that have seen nothing of it, with this much noise."""
    P, y, groups = held_out(consensus_noise=consensus, seed=seed)
    rng = np.random.default_rng(100 + seed)
    P["good"], P["poor@2"] = y + good * rng.normal(size=200), y + poor * rng.normal(size=200)
    return HeldOut(P, y, groups)


def abroad(elsewhere: list[HeldOut]) -> Blend:
    P, y, groups = held_out(consensus_noise=0.1)
    fusion = make_fusion("bagged", max_weight=0.9)
    return Blend("abroad").fit(fusion, P, MEMBERS, y, groups, elsewhere=elsewhere)


def test_a_member_that_fails_in_collections_left_out_loses_whatever_it_is_worth_at_home() -> None:
    blend = abroad([left_out(good=3.0, poor=0.3, consensus=0.1, seed=k) for k in (1, 2)])
    assert blend.weights_["poor@2"] > 0.7
    assert blend.gate_ == GATES[-1]


def test_a_consensus_that_fails_in_collections_left_out_is_shut_out() -> None:
    blend = abroad([left_out(good=0.5, poor=0.5, consensus=4.0, seed=k) for k in (1, 2)])
    assert blend.gate_ == 0.0


def test_weights_that_do_not_carry_over_stay_equal() -> None:
    blend = abroad(
        [
            left_out(good=0.3, poor=3.0, consensus=0.1, seed=1),
            left_out(good=3.0, poor=0.3, consensus=0.1, seed=2),
        ]
    )
    assert blend.weights_ == {"good": 0.5, "poor@2": 0.5}


def test_unknown_purpose_is_named():
    with pytest.raises(ValueError, match="purpose is 'away', expected home or abroad"):
        fitted("away")


def test_a_member_that_goes_astray_counts_no_more_than_the_end_of_the_scale() -> None:
    P, y, groups = held_out(consensus_noise=0.1)
    blend = Blend("abroad", calibrate=False)
    blend.fit(make_fusion("bagged", max_weight=0.9), P, MEMBERS, y, groups)
    astray = P.iloc[[1]].assign(**{"good": 2.0, "poor@2": -75.0, FALLBACK_SHARE: 0.0})
    lowest = min(P["poor@2"].min(), y.min())
    assert blend.predict(astray) == pytest.approx([(2.0 + lowest) / 2])
    np.testing.assert_array_equal(  # what it said of held-out rows counts in full
        blend.predict(P[P[FALLBACK_SHARE] == 0]),
        blend.predict(P.assign(**{"poor@2": P["poor@2"].clip(*blend.bounds_[:, 1])})),
    )
