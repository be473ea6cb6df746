"""Unmodified clients against the local server: every pair does what it should, or what it can."""

import pytest
from conformance_defects import KNOWN_DEFECTS


@pytest.mark.timeout(600)  # a client's scenarios are driven in one go
def test_a_client_in_a_scenario(client, scenario, outcome):
    defect = KNOWN_DEFECTS.get((client.name, scenario.name))
    check = scenario.check if defect is None else defect.check
    check(outcome)
