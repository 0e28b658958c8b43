"""Buckets admit exactly what they hold, however many ask at once."""

import threading

import pytest

from uxp_diag import limits
from uxp_diag.limits import LocalLimiter, Rate, RedisLimiter, connect, network_key, retry_after


@pytest.fixture(params=["local", "redis"])
def limiter(request):
    if request.param == "local":
        yield LocalLimiter()
        return
    client = connect(request.getfixturevalue("redis_url"))
    yield RedisLimiter(client, fallback=Refusing())
    client.close()


class Refusing:
    """A limiter that nobody should ask."""

    def take(self, key, rate, *, cost=1):
        raise AssertionError("Redis was there")

    def take_all(self, buckets, *, cost=1):
        raise AssertionError("Redis was there")

    def give_back(self, key, rate, *, cost=1):
        raise AssertionError("Redis was there")


SLOW = Rate(per_second=1 / 3600, burst=50)


def test_a_bucket_holds_its_burst_and_no_more(limiter):
    answers = [limiter.take("one", SLOW) for _ in range(60)]

    assert answers[:50] == [0.0] * 50
    assert all(wait > 3000 for wait in answers[50:])
    assert limiter.take("another", SLOW) == 0.0


def test_two_hundred_at_once_get_exactly_the_limit(limiter):
    admitted, barrier = [], threading.Barrier(200)

    def ask():
        barrier.wait()
        if limiter.take("crowd", SLOW) == 0.0:
            admitted.append(1)

    threads = [threading.Thread(target=ask) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(admitted) == 50


def test_what_is_refused_takes_nothing(limiter):
    assert limiter.take("batch", SLOW, cost=40) == 0.0
    assert limiter.take("batch", SLOW, cost=11) > 0
    assert limiter.take("batch", SLOW, cost=10) == 0.0


def test_from_several_buckets_all_is_taken_or_nothing(limiter):
    small = Rate(per_second=1 / 3600, burst=2)
    both = [("large", SLOW), ("small", small)]

    answers = [limiter.take_all(both) for _ in range(5)]

    assert answers[:2] == [[0.0, 0.0]] * 2
    assert all(large == 0.0 and few > 0 for large, few in answers[2:])
    assert limiter.take("large", SLOW, cost=48) == 0.0
    assert limiter.take("large", SLOW) > 0


def test_what_is_given_back_may_be_taken_again(limiter):
    for _ in range(50):
        limiter.take("back", SLOW)
    limiter.give_back("back", SLOW, cost=2)
    limiter.give_back("never taken", SLOW)

    assert [limiter.take("back", SLOW) > 0 for _ in range(3)] == [False, False, True]
    assert [limiter.take("never taken", SLOW) > 0 for _ in range(51)] == [False] * 50 + [True]


def test_a_cost_above_the_burst_waits_for_a_full_bucket(limiter):
    assert limiter.take("huge", SLOW, cost=500) == 0.0
    assert limiter.take("huge", SLOW, cost=1) > 0


def test_a_bucket_fills_again(limiter):
    fast = Rate(per_second=1_000_000.0, burst=1)

    assert [limiter.take("fast", fast) for _ in range(3)] == [0.0] * 3


def test_without_redis_the_process_decides(own_redis):
    local = LocalLimiter()
    client = connect(own_redis.url)
    shared = RedisLimiter(client, fallback=local)
    assert shared.take("key", SLOW) == 0.0

    own_redis.stop()
    answers = [shared.take("key", SLOW) for _ in range(51)]
    client.close()

    assert answers[:50] == [0.0] * 50
    assert answers[50] > 0


def test_the_least_recently_used_bucket_is_forgotten_first():
    local = LocalLimiter(most=2)
    one = Rate(per_second=0.001, burst=1)

    for key in ("a", "b", "a", "c"):
        local.take(key, one)

    assert local.take("a", one) > 0
    assert local.take("b", one) == 0.0


def test_those_turned_away_do_not_return_as_one():
    waits = {int(retry_after(100.0)) for _ in range(200)}

    assert min(waits) >= 100
    assert max(waits) <= 140
    assert len(waits) > 10
    assert retry_after(0.01) == "1"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.250", True),
        ("192.0.2.1", "192.0.3.1", False),
        ("2001:db8:1::1", "2001:db8:1:ffff::2", True),
        ("2001:db8:1::1", "2001:db8:2::1", False),
        ("nonsense", "more nonsense", True),
        ("::ffff:192.0.2.1", "192.0.2.77", True),
        ("::ffff:192.0.2.1", "::ffff:198.51.100.1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_a_network_has_a_name_that_tells_no_address(one, other, same):
    assert (network_key(one) == network_key(other)) is same
    assert one not in network_key(one)


def test_the_installation_has_one_limiter(settings):
    limits.limiter.cache_clear()

    assert isinstance(limits.limiter(), LocalLimiter)
    assert limits.limiter() is limits.limiter()
