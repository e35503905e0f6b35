import pytest

from services.simulator.limits import TIERS, Bucket, Budget, Limiter


def test_a_bucket_refills_continuously_up_to_its_capacity():
    bucket = Bucket(Budget(refill_rate=100, bucket_capacity=100), now=0.0)
    assert [bucket.take(10, 0.0) for _ in range(11)] == [True] * 10 + [False]
    assert not bucket.take(10, 0.09)
    assert bucket.take(10, 0.1)
    assert [bucket.take(10, 60.0) for _ in range(11)] == [True] * 10 + [False]


def test_a_refused_take_costs_nothing_and_a_clock_going_back_gives_nothing():
    bucket = Bucket(Budget(refill_rate=10, bucket_capacity=20), now=100.0)
    assert not bucket.take(21, 100.0)
    assert bucket.take(20, 100.0)
    assert not bucket.take(1, 50.0)
    assert not bucket.take(2, 100.1)
    assert bucket.take(2, 100.2)


def test_accounts_and_kinds_have_their_own_buckets():
    limiter = Limiter("basic")
    assert limiter.take("a", "write", 100, 0.0)
    assert not limiter.take("a", "write", 2, 0.0)
    assert limiter.take("a", "read", 600, 0.0)
    assert limiter.take("b", "write", 100, 0.0)


@pytest.mark.parametrize(
    ("tier", "read", "write"),
    [
        ("basic", (200, 600), (100, 100)),
        ("advanced", (300, 900), (300, 900)),
        ("expert", (600, 600), (600, 1800)),
        ("prestige", (12_000, 12_000), (9_600, 28_800)),
    ],
)
def test_tiers(tier, read, write):
    found = TIERS[tier]
    assert (found.read.refill_rate, found.read.bucket_capacity) == read
    assert (found.write.refill_rate, found.write.bucket_capacity) == write
