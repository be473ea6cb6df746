"""The package's face: light to import, complete, and honest about what it has."""

import subprocess
import sys
import typing

import pytest

import antiphon


def test_importing_antiphon_loads_nothing_heavy():
    heavy = ("numpy", "websockets", "asyncio", "msgspec", "antiphon._native")
    code = f"import sys, antiphon; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_the_model_is_made_without_numpy():
    code = "import sys; from antiphon import LiveModel, GoogleAI; print('numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


def test_every_public_name_is_there():
    for name in antiphon.__all__:
        assert getattr(antiphon, name) is not None
    assert dir(antiphon) == sorted(antiphon.__all__)
    assert isinstance(antiphon.__version__, str)


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = antiphon.nonsense


def test_what_is_told_of_connections_can_be_imported_beside_the_session():
    from antiphon import session

    for event in typing.get_args(session.SessionEvent):
        assert getattr(session, event.__name__) is event
