"""The limit on how often one address may ask."""

import pytest

from fedward_server.enrolment.rate import RateLimit, network_of


class Ticks:
    """Seconds that tests move on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_allowed_and_then_a_steady_trickle() -> None:
    ticks = Ticks()
    limit = RateLimit(burst=3, per_minute=6, clock=ticks)
    assert [limit.allows("a") for _ in range(5)] == [True, True, True, False, False]
    ticks.now += 10
    assert [limit.allows("a") for _ in range(2)] == [True, False]
    ticks.now += 3600
    assert [limit.allows("a") for _ in range(4)] == [True, True, True, False]


def test_one_address_does_not_use_up_anothers_share() -> None:
    limit = RateLimit(burst=1, per_minute=1, clock=Ticks())
    assert limit.allows("a")
    assert not limit.allows("a")
    assert limit.allows("b")


def test_its_memory_is_bounded() -> None:
    limit = RateLimit(burst=1, per_minute=1, clock=Ticks())
    for number in range(10_000):
        limit.allows(str(number))
    assert len(limit._buckets) <= 4096


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("ipv4:192.0.2.7:5000", "192.0.2.7"),
        ("ipv6:%5B2001:db8:1:2:3::4%5D:5000", "2001:db8:1:2::/64"),
        ("ipv6:[2001:db8:1:2:ffff::9]:5000", "2001:db8:1:2::/64"),
        ("ipv6:%5B::ffff:192.0.2.7%5D:5000", "192.0.2.7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:5000", "fe80::/64"),
        ("unix:", "somewhere"),
        ("", "somewhere"),
    ],
)
def test_an_asker_is_an_ipv4_address_or_an_ipv6_network(peer: str, network: str) -> None:
    assert network_of(peer) == network
