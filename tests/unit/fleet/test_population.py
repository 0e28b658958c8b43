from statistics import mean

import pytest

from crashes.management.fleet.models import APPS, COUNTRIES, MODELS
from crashes.management.fleet.population import (
    CATALOG_DAYS,
    enrollment_of,
    make_population,
    third_party_apps,
)
from crashes.management.fleet.scene import API_LEVELS
from devices.identity import keyed_digits
from tests.unit.fleet.conftest import NOW


@pytest.fixture(scope="module")
def fleet():
    return make_population(2000, seed=1)


def test_the_same_seed_makes_the_same_fleet(fleet):
    assert make_population(2000, seed=1) == fleet
    assert make_population(2000, seed=2) != fleet


def test_every_imei_is_well_formed_and_from_the_test_range(fleet):
    digits = {keyed_digits(device.imei) for device in fleet}

    assert len(digits) == len(fleet)
    assert all(number.startswith("00") for number in digits)


def test_an_imei_is_not_in_what_a_device_prints(fleet):
    assert fleet[0].imei not in repr(fleet[0])


def test_there_are_twelve_models_with_three_builds_each():
    assert len(MODELS) == len({model.name for model in MODELS}) == 12
    assert {len(model.builds) for model in MODELS} == {3}
    assert len({model.tac for model in MODELS}) == 12


def test_fingerprints_have_the_shape_of_real_ones():
    for model in MODELS:
        for build in model.builds:
            head, _, tail = model.fingerprint(build).partition(":")
            assert head.split("/") == [model.brand, model.product, model.device]
            assert tail.endswith(":user/release-keys")
            assert build.release in API_LEVELS


def test_most_phones_are_in_europe_and_india(fleet):
    european_or_indian = [
        device for device in fleet if device.country.mcc[0] == "2" or device.country.mcc[:2] == "40"
    ]

    assert len(COUNTRIES) >= 20
    assert len(european_or_indian) > 0.7 * len(fleet)


@pytest.mark.parametrize("index", [1, 2])
def test_a_build_reaches_the_fleet_little_by_little(fleet, index):
    def adoption(day):
        return mean(device.build_index_at(day) >= index for device in fleet)

    days = [-30.0, *(range(int(CATALOG_DAYS) + 1))]
    shares = [adoption(day) for day in days]

    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert shares[-1] > 0.6
    assert any(0.05 < share < 0.5 for share in shares)


def test_apps_are_on_some_phones_in_versions_that_only_grow(fleet):
    for app in third_party_apps():
        versions = [fleet[7].version_index_at(app, day) for day in range(int(CATALOG_DAYS))]
        assert versions == sorted(versions)
        assert 0.2 < mean(device.has_app(app) for device in fleet) < 0.5
    assert all(fleet[7].has_app(APPS[name]) for name in ("android", "com.android.settings"))


def test_a_few_owners_do_not_allow_development(fleet):
    silent = [device for device in fleet if "development" not in device.purposes]

    assert 0 < len(silent) < 0.06 * len(fleet)


def test_the_enrollment_says_what_the_contract_asks_for(fleet):
    body = enrollment_of(fleet[0], given_at=NOW)

    assert set(body) == {
        "imei", "model", "build_fingerprint", "os_version", "os_build", "mcc", "mnc", "consent",
    }  # fmt: skip
    assert body["os_build"] in {build.label for build in fleet[0].model.builds}
