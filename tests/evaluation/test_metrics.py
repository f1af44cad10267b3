"""Measures on constructed cases with known answers."""

import numpy as np
import pytest

from emo_core.evaluation.metrics import (
    best_lag,
    bootstrap,
    box_iou,
    events,
    pearson,
    psnr,
    ranks,
    seam_ratio,
    smooth,
    spearman,
    union_box,
)

CURVE = np.random.default_rng(0).standard_normal(100).cumsum()


def test_a_curve_correlates_fully_with_itself_at_any_scale() -> None:
    assert pearson(CURVE, CURVE) == pytest.approx(1)
    assert pearson(CURVE, 3 * CURVE - 2) == pytest.approx(1)
    assert pearson(CURVE, -CURVE) == pytest.approx(-1)


def test_a_constant_curve_has_no_correlation() -> None:
    assert np.isnan(pearson(CURVE, np.ones(100)))


@pytest.mark.parametrize("lag", [-5, -1, 0, 2, 8])
def test_a_shifted_signal_finds_its_lag(lag: int) -> None:
    noise = np.random.default_rng(1).standard_normal(140)
    assert best_lag(noise[20 - lag : 120 - lag], noise[20:120]) == lag


def test_equal_values_share_their_mean_rank() -> None:
    np.testing.assert_array_equal(ranks(np.array([5, 1, 5, 9])), [1.5, 0, 1.5, 3])


def test_the_order_counts_for_spearman_and_the_distance_does_not() -> None:
    assert spearman(np.arange(6), np.array([0, 1, 10, 11, 100, 1e6])) == pytest.approx(1)
    assert spearman(np.arange(4), np.array([1, 0, 3, 2])) == pytest.approx(0.6)


def test_boxes_that_share_a_third() -> None:
    a, b = np.array([0, 0, 2, 2]), np.array([1, 0, 3, 2])
    assert box_iou(a, b) == pytest.approx(1 / 3)
    assert box_iou(a, a) == pytest.approx(1)
    assert box_iou(a, a + 5) == 0


def test_the_union_of_boxes_reaches_round_all() -> None:
    np.testing.assert_array_equal(union_box(np.array([[1, 2, 5, 6], [0, 3, 4, 9]])), [0, 2, 5, 9])


def test_a_jump_at_every_join_shows_in_the_seam_ratio() -> None:
    steps = np.ones(35)  # 36 frames in clips of 12: joins before frames 12 and 24
    steps[[11, 23]] = 2.5
    assert seam_ratio(steps, 12) == pytest.approx(2.5)
    assert seam_ratio(np.ones(35), 12) == pytest.approx(1)
    assert np.isnan(seam_ratio(np.ones(11), 12))


def test_psnr_of_a_known_error() -> None:
    assert psnr(np.full((4, 4, 3), 100), np.full((4, 4, 3), 110)) == pytest.approx(20 * np.log10(25.5))


def test_two_blinks_are_two_events() -> None:
    lids = np.zeros(50)
    lids[10:13], lids[30:32] = (0.7, 1, 0.4), 0.9  # 0.4 still belongs to the first
    assert events(lids) == [(10, 13), (30, 32)]
    lids[48:] = 1
    assert events(lids)[-1] == (48, 50)


def test_smoothing_keeps_constants_and_spreads_peaks() -> None:
    np.testing.assert_allclose(smooth(np.full((9, 2), 3.0), 1.5), 3)
    peak = smooth(np.eye(21)[10], 2.0)
    assert peak.sum() == pytest.approx(1)
    assert peak[10] == pytest.approx(1 / (2 * np.sqrt(2 * np.pi)), rel=0.01)


def test_the_bootstrap_covers_the_mean_and_repeats_itself() -> None:
    values = np.random.default_rng(2).normal(5, 1, 200)
    low, high = bootstrap(values, lambda drawn: float(np.mean(drawn)))
    assert low < values.mean() < high
    assert high - low == pytest.approx(4 * 1 / np.sqrt(200), rel=0.15)
    assert (low, high) == bootstrap(values, lambda drawn: float(np.mean(drawn)))
