"""A small size of the benchmarks that measure what is not a rollout: by counts and ratios alone."""

from __future__ import annotations

import asyncio
import cProfile
import pstats

import numpy as np
import pytest

from benchmarks import canary, journal, rehearse, report, scanning, takeover, trust
from benchmarks.common import Benchmark, alone
from benchmarks.sequential import Scores
from immutable import open_journal


def test_what_piles_up_while_a_commit_syncs_shares_the_next(tmp_path):
    async def main(writers):
        book = await open_journal(tmp_path / f"{writers}.db")
        try:
            return await journal.measure(book, writers, seconds=0.2, rounds=1)
        finally:
            await book.close()

    one, many = asyncio.run(main(1)), asyncio.run(main(20))
    assert one["records_per_commit"] == 2
    assert many["records_per_commit"] > 10


def test_a_rollout_of_a_dead_controller_is_claimed_before_its_lease_is_over_for_a_second():
    row = takeover.row(3.0, 2, deaths=3)
    assert takeover.broken([row]) == []
    assert row["takeover_s"] > 2
    assert len(takeover.broken([row | {"takeover_s": 4.0}, row | {"taken_over": 5}])) == 2


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_canary_that_is_no_worse_is_seldom_rejected_in_600_looks(noise):
    setting = canary.Setting(1.0, looks=600, noise=noise)
    dice = np.random.default_rng(7)
    draw = canary.errors(setting, dice, 300)
    (row,) = canary.watched(setting, {"ours": Scores(300)}, draw)
    assert row["looks"] == 600
    assert canary.broken([row]) == []
    assert len(canary.broken([row | {"p_reject": 0.1}])) == 1
    assert canary.tolerated(10_000) < 0.06 < canary.tolerated(500) < 0.08


def test_four_attestations_are_four_verifications_whatever_the_number_of_keys(tmp_path):
    signers = trust.Signers(tmp_path)

    def verified(count):
        with cProfile.Profile() as profile:
            trust.image_row(signers, count, rounds=10)
        calls = pstats.Stats(profile).stats
        total = sum(n for (*_, name), (_, n, *_) in calls.items() if "'verify'" in name)
        return total - count - 2  # What is signed is verified by its signer as well.

    assert (verified(1), verified(4)) == (10, 40)


@pytest.mark.slow
def test_a_rehearsal_of_a_small_fleet_comes_near():
    row = rehearse.memory_row(12, 4, 2)
    assert rehearse.broken([row | {"cpu": 0.0}]) == []
    assert len(rehearse.broken([row | {"off": 0.06, "cpu": 120.0}])) == 2


def test_what_does_not_hold_is_said():
    image = {"what": "image", "attestations": 4, "ms": 1.9}
    assert trust.broken([image]) == []
    assert len(trust.broken([image | {"ms": 2.0}])) == 1
    assert scanning.broken([{"what": "plain", "ms": 49.0}]) == []
    assert len(scanning.broken([{"what": "plain", "ms": 50.0}])) == 1
    page = {"instances": 1000, "bytes": 200_000, "shown": None}
    assert report.broken([page, page | {"shown": 1999.0}]) == []
    assert len(report.broken([page | {"shown": 2001.0}, page | {"bytes": 1_000_001}])) == 2
    sqlite = {"journal": "sqlite", "cpu_us": 49.0, "records_s": 100}
    postgres = {"journal": "postgres", "cpu_us": 49.0, "records_s": 1500}
    assert journal.broken([sqlite, sqlite | {"cpu_us": 500.0}, postgres]) == []
    assert len(journal.broken([sqlite | {"cpu_us": 51.0}, postgres | {"records_s": 1499}])) == 2


def test_a_benchmark_prints_a_table_and_a_line_of_json_and_exits_by_what_holds(capsys):
    rows = [{"n": 1, "ratio": 1.25}, {"n": 10, "ratio": 1.5}]
    told = Benchmark("Title", "About", {}, lambda quick: rows[: 1 if quick else 2])
    for wrong, code in (([], 0), (["n=10: too much"], 1)):
        made = Benchmark("Title", "About", {}, told.rows, lambda _, wrong=wrong: wrong)
        with pytest.raises(SystemExit) as exited:
            made.finish(made.rows(quick=False), as_json=False)
        out, err = capsys.readouterr()
        assert exited.value.code == code
        assert out.splitlines()[0].split() == ["n", "ratio"]
        assert out.splitlines()[2].split() == ["10", "1.500"]
        assert f'"broken": {wrong!r}'.replace("'", '"') in out.splitlines()[3]
        assert all(each in err for each in wrong)


def test_what_is_measured_alone_is_measured_in_another_process():
    assert alone("benchmarks.bounds:bound", [10.0, 30.0], 1) == 40 + 2 * 80
