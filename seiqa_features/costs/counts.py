"""Counts per pair on a GPU, written by `benchmarks/count_costs.py`."""

Counts = tuple[float, float, float, float]
"""Floating-point operations per pixel of a view and per squared pixel, bytes likewise."""

COUNTS: dict[str, Counts] = {
    "clip_b16": (1.408e06, 0, 1.905e04, 0),
    "clip_l14": (6.476e06, 0, 6.263e04, 0),
    "clip_l14_336": (6.824e06, 0, 5.652e04, 0),
    "colour": (36, 0, 1920, 0),
    "cw_ssim": (0, 0, 394.5, 1.008e-05),
    "dinov2_l14": (6.179e06, 5.65, 6.098e04, 0.02801),
    "dinov2_s14": (4.144e05, 1.551, 1.268e04, 0.01335),
    "dinov3_b16": (1.365e06, 1.254, 2.829e04, 0.01494),
    "dists": (1.225e06, 0, 2.624e04, 0),
    "dss": (83.41, 0, 1221, 0),
    "fourier": (0, 0, 907, 0),
    "fsim": (108, 0, 1.047e04, 0),
    "gms": (18, 0, 335.2, 0),
    "grey_mse": (0, 0, 344, 0),
    "haarpsi": (204, 0, 802.1, 0),
    "iw_ssim": (2154, 0.0007222, 5062, 0.0003273),
    "lite0": (3.158e04, 0.001505, 1.015e04, 0.005415),
    "lpips": (5.159e04, 0.02159, 1780, 0.0003887),
    "mdsi": (144, 0, 3104, 0),
    "nlpd": (256.7, 0, 917, 0),
    "pe_spatial_l14": (6.179e06, 5.65, 8.684e04, 0.02789),
    "psnr": (0, 0, 168, 0),
    "siglip2_so400m": (6.468e06, 4.119, 5.372e04, 0.01889),
    "srsim": (778.2, 0, 1060, 0),
    "ssim": (0, 0, 2190, 0.000704),
    "vif_p": (2939, 0.001645, 963.1, 0.0003244),
    "vsi": (180, 0, 3379, 0),
}
