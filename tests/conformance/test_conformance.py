"""Unmodified clients against the local server: every pair does what it should, or what is known."""

import pytest
from conformance_clients import CLIENTS
from conformance_deviations import KNOWN_DEFECTS, OWN_WAYS
from conformance_scenarios import SCENARIOS


@pytest.mark.timeout(600)  # a client's scenarios are driven in one go
def test_a_client_in_a_scenario(scenario, outcome):
    scenario.check(outcome)


def test_deviations_are_of_pairs_that_there_are():
    names = {(client.name, scenario.name) for client in CLIENTS for scenario in SCENARIOS}
    assert set(KNOWN_DEFECTS) | set(OWN_WAYS) <= names
