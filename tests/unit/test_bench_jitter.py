"""The arithmetic of `benches.jitter` is right; the judge itself is not called here."""

from pathlib import Path

import numpy as np
import pytest

from benches.circumstances import Circumstances
from benches.jitter import (
    anchors,
    contestants,
    pictures,
    players,
    scoring,
    table,
    targets,
    variants,
)
from benches.jitter.means import LIGHT, SLOW_SOURCES, at_concealment, by_class, over_classes
from benches.jitter.measured import Measured, Row, load, save
from benches.jitter.pulls import PullTimes, Times

ROOT = Path(__file__).resolve().parent.parent.parent
PUBLISHED = ROOT / "benches/results/jitter.json"

GOOD_PACKET = {
    "delay_mean": 90.0,
    "conc_ms_min": 600.0,
    "gaps_min": 20.0,
    "mos": 3.8,
    "stretch_pct": 1.0,
    "clicks_min": 0.0,
    "lsd_bad": 5.0,
}
GOOD_STREAM = {
    "ttfs_mean": 10.0,
    "ttfs_p95": 40.0,
    "stall_ms_min": 100.0,
    "gaps_min": 1.0,
    "lost_media_ms_min": -11.0,
    "stretch_pct": 1.0,
    "clicks_min": 0.0,
    "flush_ms": 16.0,
}


def row(regime, player, cls="wired", variant=variants.AS_SENT, trace=0, **values):
    good = GOOD_PACKET if regime == "packet" else GOOD_STREAM
    return Row(f"{regime}_{cls}_{trace}", regime, cls, player, variant, {**good, **values})


def run(*rows, seeds=(), pulls=()):
    at = Circumstances(
        "2026-01-01", "python -m benches.jitter", "a machine", "none", {"numpy": "2"}
    )
    return Measured(at, list(seeds), list(rows), list(pulls), {"who": "why | not"})


def curve(cls="wired", **values):
    """Our three settings, in their order: a list for each value."""
    names = contestants.OURS_PACKET.values()
    return [
        row("packet", name, cls, **{key: several[i] for key, several in values.items()})
        for i, name in enumerate(names)
    ]


def line(measured, words):
    """The one line of "asked and measured" that says this."""
    (found,) = [target for target in targets.check(measured) if words in target.what]
    return found


# ------------------------------------------------------------------------------ means


def test_a_class_is_the_mean_of_its_traces_and_counts_once():
    rows = [
        row("packet", "x", "wired", delay_mean=10),
        row("packet", "x", "wired", trace=1, delay_mean=30),
        row("packet", "x", "3g", delay_mean=100),
        row("packet", "y", "3g", delay_mean=1e6),
        row("stream", "x", "3g"),
        row("packet", "x", "3g", variant=variants.LATE, delay_mean=1e6),
    ]
    classes = by_class(rows, "packet", "x")
    assert {cls: values["delay_mean"] for cls, values in classes.items()} == {
        "wired": 20,
        "3g": 100,
    }
    assert over_classes(classes)["delay_mean"] == 60
    assert over_classes(classes, lambda cls: cls in LIGHT)["delay_mean"] == 20
    assert over_classes({}) == {}


def test_what_a_trace_does_not_have_is_left_out_of_the_mean():
    rows = [
        row("stream", "x", "wired", flush_ms=None),
        row("stream", "x", "wired", trace=1, flush_ms=12.0),
        row("stream", "x", "3g", flush_ms=None),
    ]
    classes = by_class(rows, "stream", "x")
    assert classes["wired"]["flush_ms"] == 12
    assert "flush_ms" not in classes["3g"]
    assert over_classes(classes)["flush_ms"] == 12


# ------------------------------------------------------------------------------ interpolation

POINTS = [
    {"conc_ms_min": 1000.0, "delay_mean": 60.0, "gaps_min": 40.0},
    {"conc_ms_min": 600.0, "delay_mean": 100.0, "gaps_min": 20.0},
    {"conc_ms_min": 500.0, "delay_mean": 150.0, "gaps_min": 18.0},
]


@pytest.mark.parametrize("points", [POINTS, POINTS[::-1]])
@pytest.mark.parametrize(
    ("conc_ms_min", "delay_ms", "gaps_min"),
    [(600, 100, 20), (700, 90, 25), (900, 70, 35), (550, 125, 19), (1000, 60, 40)],
)
def test_delay_lies_between_the_two_neighbours_in_concealment(
    points, conc_ms_min, delay_ms, gaps_min
):
    found = at_concealment(points, conc_ms_min)
    assert found.exact
    assert found.values["delay_mean"] == pytest.approx(delay_ms)
    assert found.values["gaps_min"] == pytest.approx(gaps_min)


def test_nothing_is_extrapolated():
    assert at_concealment(POINTS, 499) is None
    assert at_concealment([], 499) is None
    found = at_concealment(POINTS, 2000)
    assert not found.exact
    assert found.values == POINTS[0]


# ------------------------------------------------------------------------------ variants

TURNS = [
    {"turn": 0, "chunks": [1, 2], "flush_us": None, "end_us": 1_000},
    {"turn": 1, "chunks": [3], "flush_us": 7, "end_us": None},
]


def test_ends_come_late_or_never_and_nothing_else_changes():
    ends = {name: [t["end_us"] for t in variants.apply(name, TURNS)] for name in variants.ALL}
    assert ends == {
        variants.AS_SENT: [1_000, None],
        variants.LATE: [2_001_000, None],
        variants.NEVER: [None, None],
    }
    assert variants.apply(variants.AS_SENT, TURNS) == TURNS
    for name in variants.ALL:
        changed = [{**turn, "end_us": 0} for turn in variants.apply(name, TURNS)]
        assert changed == [{**turn, "end_us": 0} for turn in TURNS]
    with pytest.raises(ValueError, match="no variant 'other'"):
        variants.apply("other", TURNS)


def test_only_ours_plays_the_other_ends():
    playing = {"stream": [contestants.OURS_STREAM, contestants.CRATE], "packet": ["FIFO 20 ms"]}
    jobs = scoring.jobs([Path("stream_wifi_0.jsonl"), Path("packet_3g_1.jsonl")], playing, None)
    assert [(job.regime, job.player, job.variant) for job in jobs] == [
        *(("stream", contestants.OURS_STREAM, variant) for variant in variants.ALL),
        ("stream", contestants.CRATE, variants.AS_SENT),
        ("packet", "FIFO 20 ms", variants.AS_SENT),
    ]


# ------------------------------------------------------------------------------ players


def test_our_player_plays_a_stream():
    player = players.Stream(24_000, "stream", 20)
    pcm = np.arange(1, 4_801, dtype=np.int16)
    pcm[-1] = 99  # ends softly: no dying away
    player.push(None, pcm, 0.5)
    player.end_of_turn(0.501)
    heard = np.concatenate([player.pull(240, 0.51 + k / 100) for k in range(25)])
    assert np.array_equal(heard[heard != 0], pcm)
    player.push(None, pcm, 2.0)
    assert player.pull(240, 2.0).any()
    player.flush(2.0)
    player.pull(240, 2.01)
    assert not player.pull(240, 2.02).any()
    assert player.stats()["flush_count"] == 1


def test_sequence_numbers_wrap_before_they_reach_our_buffer():
    class Buffer:
        def push(self, pcm, **given):
            seen.append(given)

    seen = []
    player = players.Smoothness30.__new__(players.Smoothness30)
    player.buffer = Buffer()
    for seq in (0, 65_535, 65_536, 131_073):
        player.push(seq, np.zeros(240, np.int16), 0.02)
    assert [given["seq"] for given in seen] == [0, 65_535, 0, 1]
    assert {given["now_us"] for given in seen} == {20_000}


def test_who_cannot_play_is_absent_with_a_reason():
    playing, absent = contestants.taking_part(no_crate="no compiler")
    assert contestants.OURS_STREAM in playing["stream"]
    assert absent[contestants.CRATE] == absent[contestants.CRATE_NO_FLUSH] == "no compiler"
    assert not {*absent} & {*playing["stream"], *playing["packet"]}
    playing, absent = contestants.taking_part("FIFO")
    assert playing["stream"] == ["FIFO 0 ms", "FIFO 60 ms", "FIFO 120 ms", "FIFO 200 ms"]
    assert absent == {}


# ------------------------------------------------------------------------------ anchors


@pytest.mark.parametrize(
    ("regime", "keys"),
    [
        ("packet", ("delay_mean", "conc_ms_min", "gaps_min", "mos")),
        ("stream", ("ttfs_mean", "stall_ms_min", "gaps_min", "lost_media_ms_min")),
    ],
)
def test_the_anchors_of_the_classes_agree_with_their_means(regime, keys):
    means = over_classes(anchors.BY_CLASS[regime])
    for key in keys:
        assert means[key] == pytest.approx(anchors.MEANS[regime][key], abs=0.6)


def test_the_anchors_at_which_ours_is_measured_are_its_own():
    packet, stream = anchors.BY_CLASS["packet"], anchors.BY_CLASS["stream"]
    light = over_classes(packet, lambda cls: cls in LIGHT)
    assert (round(light["delay_mean"]), round(light["conc_ms_min"])) == (41, 183)
    brisk = over_classes(stream, lambda cls: cls not in SLOW_SOURCES)
    assert brisk["stall_ms_min"] == pytest.approx(475, abs=0.5)


# ------------------------------------------------------------------------------ targets


@pytest.mark.parametrize(
    ("delays_ms", "met", "shown"),
    [
        ((70, 80, 130), "aim", "85.0 ms"),
        ((100, 110, 130), "must", "112.0 ms"),
        ((110, 120, 130), "short", "121.0 ms"),
    ],
)
def test_delay_is_read_where_neteq_conceals_as_much(delays_ms, met, shown):
    measured = run(*curve("3g", delay_mean=delays_ms, conc_ms_min=(1000, 655, 555)))
    target = targets.check(measured)[0]
    assert (target.met, target.measured) == (met, shown)
    assert target.cpp == "123 ms @ 645"


def test_gaps_are_read_where_delay_is():
    measured = run(*curve(gaps_min=(40, 24, 14), conc_ms_min=(1000, 655, 555)))
    target = line(measured, "gaps per minute")
    assert (target.met, target.measured) == ("aim", "23.0")


def test_light_links_are_read_on_their_own():
    heavy = curve("3g", delay_mean=(900, 950, 990), conc_ms_min=(9000, 8000, 7000))
    light = curve("wifi", delay_mean=(20, 24, 40), conc_ms_min=(400, 193, 93))
    target = line(run(*heavy, *light), "light links")
    assert (target.met, target.measured) == ("must", "25.6 ms")


def test_a_curve_that_never_conceals_so_little_is_short():
    target = targets.check(run(*curve(conc_ms_min=(1000, 900, 646))))[0]
    assert target.met == "short"
    assert "every smoothness conceals more" in target.measured


def test_a_curve_that_always_conceals_less_is_read_at_its_end():
    target = targets.check(run(*curve(delay_mean=(90, 95, 99), conc_ms_min=(300, 200, 100))))[0]
    assert (target.met, target.measured) == (
        "aim",
        "90.0 ms (all conceal less, at most 300 ms/min)",
    )


@pytest.mark.parametrize(
    ("regime", "words", "key", "aim", "must", "short"),
    [
        ("packet", "MOS-E", "mos", 3.75, 3.68, 3.67),
        ("packet", "stretch", "stretch_pct", 1.5, 2.0, 2.1),
        ("packet", "clicks", "clicks_min", 0.0, 0.1, 0.11),
        ("packet", "mel-LSD", "lsd_bad", 6.0, 6.5, 6.6),
        ("stream", "first sound, mean", "ttfs_mean", 15, 20, 21),
        ("stream", "first sound, p95", "ttfs_p95", 50, 60, 61),
        ("stream", "stall, all classes", "stall_ms_min", 900, 1290, 1291),
        ("stream", "flush, longest", "flush_ms", 17, 18.5, 18.6),
    ],
)
def test_a_value_keeps_the_aim_or_the_limit_or_is_short(regime, words, key, aim, must, short):
    for value, met in ((aim, "aim"), (must, "must"), (short, "short")):
        if regime == "packet":
            measured = run(*curve(**{key: (1e9, value, 1e9)}))
        else:
            measured = run(row("stream", contestants.OURS_STREAM, **{key: value}))
        (target,) = [
            t for t in targets.check(measured) if t.what.startswith(words) and t.regime == regime
        ]
        assert target.met == met


def test_a_millisecond_at_the_edges_is_no_lost_media():
    for value, met in ((-13, "aim"), (4.9, "aim"), (5.1, "short")):
        measured = run(row("stream", contestants.OURS_STREAM, lost_media_ms_min=value))
        assert line(measured, "lost media").met == met


def test_slow_sources_count_in_one_of_the_stalls_only():
    rows = [
        row("stream", contestants.OURS_STREAM, cls, stall_ms_min=stall)
        for cls, stall in (("wired", 50), ("3g", 150), ("gen_slow", 2000), ("server_pause", 1000))
    ]
    assert line(run(*rows), "stall without gen_slow").measured == "100 ms/min"
    assert line(run(*rows), "stall, all classes").measured == "800 ms/min"


@pytest.mark.parametrize(
    ("values", "met", "shown"),
    [
        ({}, "aim", "nothing is worse"),
        ({"ttfs_mean": 5.0}, "aim", "nothing is worse"),
        ({"ttfs_mean": 10.9, "lost_media_ms_min": 3.0}, "aim", "nothing is worse"),
        ({"stall_ms_min": 109.0}, "must", "stall 100.0 → 109.0"),
        ({"stall_ms_min": 111.0}, "short", "stall 100.0 → 111.0"),
        ({"lost_media_ms_min": 6.0}, "short", "lost media 0.0 → 6.0"),
    ],
)
def test_other_ends_of_turns_may_make_little_worse(values, met, shown):
    for variant, words in ((variants.LATE, "2 s late"), (variants.NEVER, "no end of turn")):
        measured = run(
            row("stream", contestants.OURS_STREAM, "gen_slow"),
            row("stream", contestants.OURS_STREAM, "gen_slow", variant, **values),
        )
        target = line(measured, words)
        assert (target.met, target.measured) == (met, shown)


def test_a_class_is_worse_only_if_both_of_its_numbers_are():
    theirs = anchors.BY_CLASS["packet"]["sat_geo"]
    for delay, conc, met in ((1.2, 1.1, "aim"), (1.1, 1.2, "aim"), (1.2, 1.2, "short")):
        values = {
            "delay_mean": [theirs["delay_mean"] * delay] * 3,
            "conc_ms_min": [theirs["conc_ms_min"] * conc] * 3,
        }
        rows = curve("sat_geo", **values)
        assert line(run(*rows), "in delay and concealment").met == met
        assert line(run(*rows, seeds=[101]), "in delay and concealment").met is None


def test_a_slow_pull_is_short():
    fast, slow = Times(1000, 0.2, 0.1, 3.0, 2.0), Times(1000, 0.9, 0.5, 21.0, 9.0)
    of = {(t.what, t.met) for t in targets.check(run(pulls=[PullTimes("packet_x", 3, slow, fast)]))}
    assert {("`pull` in Rust, median, x", "short"), ("`pull` in Rust, p99.9, x", "short")} <= of
    of = {(t.what, t.met) for t in targets.check(run(pulls=[PullTimes("packet_x", 3, fast, slow)]))}
    assert {("`pull` in Rust, median, x", "aim"), ("`pull` in Rust, p99.9, x", "aim")} <= of


def test_what_was_not_measured_is_not_judged():
    found = targets.check(run())
    assert {target.met for target in found} == {None}
    assert len(found) == 21


# ------------------------------------------------------------------------------ table, picture


def table_rows(text, title):
    """The cells of the table whose first column has this title."""
    lines = text.splitlines()
    start = next(i for i, text in enumerate(lines) if text.startswith(f"| {title} |"))
    body = lines[start + 2 :]
    end = next(i for i, text in enumerate(body) if not text.startswith("|"))
    return [[cell.strip() for cell in text.strip("|").split(" | ")] for text in body[:end]]


def test_the_tables_show_who_has_played_and_the_anchor_as_such():
    measured = run(
        *curve("wired", delay_mean=(10, 20, 30)),
        row("packet", "FIFO 60 ms", "wired", delay_mean=60.4),
        row("stream", contestants.OURS_STREAM, "burst"),
        row("stream", contestants.OURS_STREAM, "burst", variants.NEVER, stall_ms_min=123.0),
        pulls=[PullTimes("packet_wired_0", 3, *[Times(10, 0.25, 0.125, 3.0, 2.0)] * 2)],
    )
    text = table.render(measured)
    assert [cells[:2] for cells in table_rows(text, "mean over classes")] == [
        ["**antiphon smoothness 0.3**", "10.0"],
        ["**antiphon smoothness 0.5**", "20.0"],
        ["**antiphon smoothness 0.7**", "30.0"],
        ["FIFO 60 ms", "60.4"],
        [anchors.NAME, "123.1"],
    ]
    assert table_rows(text, "class") == [
        ["wired", *(f"{ms} / 600 / 20 / 3.80" for ms in (10, 20, 30, 60)), "23 / 70 / 4 / 4.36"]
    ]
    assert "**antiphon, no ends**" in text
    assert "10 / 123 / 1.0 / -11" in text
    assert "| packet_wired_0 | **antiphon** | 0.12 | 0.25 | 3.00 | 2.00 |" in text
    assert "| who | why \\| not |" in text
    assert len(table_rows(text, "regime")) == len(targets.check(measured))


def test_fresh_traces_are_named_as_such():
    text = table.render(run(*curve(), seeds=[101, 102]))
    assert "drawn with the seeds 101, 102" in text
    assert "public traces of the judge" not in text
    assert "jitter-held-out.png" in text


def test_a_run_of_some_classes_says_so():
    whole = [
        row(regime, "FIFO 60 ms", cls)
        for regime in ("packet", "stream")
        for cls in anchors.BY_CLASS[regime]
    ]
    assert "Not every class" not in table.render(run(*whole))
    assert "Not every class" in table.render(run(*whole[1:]))


def test_a_panel_has_a_curve_of_ours_and_of_the_fifos_and_two_points():
    measured = run(
        *curve("wired", delay_mean=(10, 20, 30), conc_ms_min=(9, 8, 7)),
        row("packet", "FIFO 60 ms", "wired", delay_mean=60),
        row("packet", "FIFO 20 ms", "wired", delay_mean=20),
        row("packet", contestants.CRATE, "wired", delay_mean=33),
        row("packet", contestants.CRATE, "3g", delay_mean=35),
    )
    panels = pictures.curves(measured)
    assert [*panels] == [pictures.MEAN, "wired", "3g"]
    assert panels["wired"] == {
        "ours": [(10, 9), (20, 8), (30, 7)],
        "fifo": [(20, 600), (60, 600)],
        "crate": [(33, 600)],
        "cpp": [(23, 70)],
    }
    assert panels[pictures.MEAN]["crate"] == [(34, 600)]
    assert panels[pictures.MEAN]["cpp"] == []  # it is known of all classes only
    fresh = run(*measured.rows, seeds=[101])
    assert all("cpp" not in panel for panel in pictures.curves(fresh).values())


def test_the_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    pictures.draw(run(*curve(), row("packet", contestants.CRATE)), tmp_path / "jitter.png")
    assert (tmp_path / "jitter.png").stat().st_size > 10_000
    pictures.draw(run(), tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


# ------------------------------------------------------------------------------ files


def test_a_run_is_kept_a_row_a_line(tmp_path):
    times = Times(10, 0.25, 0.125, 3.0, 2.0)
    measured = run(
        *curve(),
        row("stream", contestants.OURS_STREAM, flush_ms=None),
        seeds=[7],
        pulls=[PullTimes("packet_wired_0", 3, times, times)],
    )
    save(measured, tmp_path / "jitter.json")
    assert load(tmp_path / "jitter.json") == measured
    lines = (tmp_path / "jitter.json").read_text().splitlines()
    assert sum(line.startswith('{"trace"') for line in lines) == 4


@pytest.mark.skipif(not PUBLISHED.exists(), reason="no full run is published yet")
def test_the_published_table_is_what_was_measured():
    published = load(PUBLISHED)
    assert PUBLISHED.with_suffix(".md").read_text() == table.render(published)
    assert [t.what for t in targets.check(published) if t.met is None] == []
