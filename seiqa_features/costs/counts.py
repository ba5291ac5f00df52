"""Counts per pair on a GPU, written by `benchmarks/count_costs.py`."""

Counts = tuple[float, float, float, float]
"""Floating-point operations per pixel of a view and per squared pixel, bytes likewise."""

COUNTS: dict[str, Counts] = {
    "clip_b16": (1.408e+06, 0, 2.21e+04, 0),
    "clip_l14": (6.476e+06, 0, 6.263e+04, 0),
    "colour": (36, 0, 1920, 0),
    "cw_ssim": (0, 0, 394.5, 1.008e-05),
    "dss": (83.41, 0, 1221, 0),
    "fourier": (0, 0, 907, 0),
    "fsim": (108, 0, 1.047e+04, 0),
    "gms": (18, 0, 335.2, 0),
    "grey_mse": (0, 0, 344, 0),
    "haarpsi": (204, 0, 802.1, 0),
}
