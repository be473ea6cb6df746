"""C++ NetEQ on the public traces, as the reference of the judge published it.

WebRTC's own NetEQ (of 2023, with the constants of 2026), out of process at 16 kHz. It is not run
here: these numbers are constants, and say nothing about other traces. Its concealment and its
stretch may be overstated by up to about 50 ms/min and a third of the stretch.
"""

from __future__ import annotations

from benches.jitter.means import Values

NAME = "C++ NetEQ, published"

_PACKET_KEYS = ("delay_mean", "conc_ms_min", "gaps_min", "mos")
_STREAM_KEYS = ("ttfs_mean", "stall_ms_min", "gaps_min", "lost_media_ms_min")

_PACKET = {
    "wired": (23, 70, 4, 4.36),
    "wifi": (64, 243, 15, 4.26),
    "wifi_congested": (376, 1514, 55, 1.92),
    "lte_handover": (203, 743, 15, 3.42),
    "3g": (249, 566, 21, 2.72),
    "sat_leo": (52, 502, 18, 4.14),
    "sat_geo": (88, 218, 13, 2.84),
    "tcp_hol": (192, 991, 8, 3.39),
    "drift_pos200": (34, 45, 2, 4.36),
    "drift_neg200": (31, 56, 2, 4.36),
    "server_pause": (121, 430, 7, 4.00),
    "delay_step": (101, 168, 8, 4.26),
    "loss_reorder": (66, 2842, 128, 3.10),
}
_STREAM = {
    "wired": (20, 332, 10.5, 133),
    "wifi": (18, 701, 19.6, 144),
    "wifi_congested": (25, 650, 8.2, 181),
    "lte_handover": (21, 490, 8.3, 148),
    "3g": (21, 1050, 7.1, 139),
    "sat_leo": (19, 165, 5.5, 161),
    "sat_geo": (42, 957, 11.3, 229),
    "tcp_hol": (32, 568, 9.2, 140),
    "drift_pos200": (18, 123, 4.5, 119),
    "drift_neg200": (17, 132, 3.8, 81),
    "server_pause": (21, 3943, 25.6, 131),
    "delay_step": (20, 325, 6.3, 140),
    "gen_slow": (51, 14123, 51.4, 260),
    "burst": (17, 210, 7.4, 171),
}

BY_CLASS: dict[str, dict[str, Values]] = {
    "packet": {cls: dict(zip(_PACKET_KEYS, row, strict=True)) for cls, row in _PACKET.items()},
    "stream": {cls: dict(zip(_STREAM_KEYS, row, strict=True)) for cls, row in _STREAM.items()},
}

MEANS: dict[str, Values] = {
    "packet": {
        "delay_mean": 123.1,
        "delay_p95": 191.6,
        "conc_ms_min": 645.2,
        "gaps_min": 22.9,
        "stretch_pct": 1.4,
        "mos": 3.63,
        "clicks_min": 0.0,
        "lsd_bad": 6.0,
        "warp_ms_min": 1.5,
        "lost_media_ms_min": 558.2,
    },
    "stream": {
        "ttfs_mean": 24.4,
        "ttfs_p95": 58.5,
        "stall_ms_min": 1697.9,
        "gaps_min": 12.8,
        "excess_end": -466.4,
        "stretch_pct": 17.5,
        "lost_media_ms_min": 155.6,
        "flush_ms": 27.9,
        "clicks_min": 0.0,
        "warp_ms_min": 852.4,
    },
}
