"""What an import costs, and what it promises."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys

import pytest

import antiphon

# What a program that only wants a name of the package must not pay for.
HEAVY = {
    "antiphon.cli",
    "antiphon.conversation",
    "antiphon.devices",
    "antiphon.emulator",
    "antiphon.session",
    "asyncio",
    "cffi",
    "matplotlib",
    "numpy",
    "pocketsphinx",
    "rich",
    "websockets",
}


def modules_after(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


def test_importing_antiphon_imports_nothing_heavy():
    assert not HEAVY & modules_after("import antiphon")


def test_a_session_needs_no_sound_and_no_command_line():
    loaded = modules_after("from antiphon import LiveModel, GoogleAI")
    assert not {"antiphon.emulator", "antiphon.devices", "matplotlib", "rich"} & loaded
    assert not {"antiphon.cli", "pocketsphinx", "cffi"} & loaded


@pytest.mark.parametrize("name", sorted(antiphon.__all__))
def test_every_public_name_is_there_and_documented(name):
    value = getattr(antiphon, name)
    assert name in dir(antiphon)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert inspect.getdoc(value), f"{name} has no docstring"


def packages():
    for module in pkgutil.walk_packages(antiphon.__path__, "antiphon."):
        if not module.name.endswith(("__main__", "_native", "espeak_helper", "gevent_threads")):
            yield module.name


@pytest.mark.parametrize("name", list(packages()))
def test_every_module_imports_and_says_what_it_is(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), f"{name}.__all__ names {public}, which is not there"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        antiphon.no_such_name  # noqa: B018
