"""Every Python block of the documents, and every example, runs against the local server."""

import ast
import asyncio
import inspect
import re
import runpy
import sys
from pathlib import Path

import pytest

from antiphon.emulator import Emulator

ROOT = Path(__file__).resolve().parent.parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("**/*.md")])
# The one for Locust runs under Locust, which tests do not depend on.
EXAMPLES = sorted({*(ROOT / "examples").glob("*.py")} - {ROOT / "examples" / "locustfile.py"})
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
# A block of tests, for pytest with our plugin. What needs the packages of others is marked ``py``.
TESTS = re.compile(r"^```python test\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)")

pytest_plugins = ["pytester"]


def blocks(document: Path) -> list[tuple[int, str]]:
    """The Python blocks of a document, each with the line where it begins."""
    text = document.read_text()
    return [(text.count("\n", 0, m.start()) + 2, m[1]) for m in BLOCK.finditer(text)]


def blocks_of_tests(document: Path) -> list[str]:
    """The blocks of tests of a document."""
    return [match[1] for match in TESTS.finditer(document.read_text())]


@pytest.fixture(scope="module")
def server():
    with Emulator(api_key="any") as emulator:
        yield emulator


@pytest.fixture
def at_the_server(server, monkeypatch, tmp_path):
    """The environment in which a reader of the documents would point at the local server."""
    monkeypatch.setenv("GEMINI_API_KEY", "any")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.url)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_of_a_document_run(document, at_the_server):
    """They are read from the top down, so they share their names."""
    namespace = {"__name__": "__document__"}
    for line, source in blocks(document):
        tree = ast.parse(source, str(document))
        ast.increment_lineno(tree, line - 1)
        code = compile(tree, str(document), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, namespace)  # our own documents
        if inspect.iscoroutine(result):
            asyncio.run(result)


@pytest.mark.parametrize(
    "document", [*filter(blocks_of_tests, DOCUMENTS)], ids=lambda path: path.name
)
def test_the_tests_of_a_document_pass(document, pytester):
    pytester.makepyfile("\n\n".join(blocks_of_tests(document)))
    result = pytester.runpytest_inprocess(
        "-p", "antiphon.pytest_plugin", "-p", "no:cacheprovider", "-W", "error"
    )
    assert result.ret == 0
    assert result.parseoutcomes()["passed"] >= 2


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_links_to_is_there(document):
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(example, at_the_server, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [str(example)])
    runpy.run_path(str(example), run_name="__main__")
    assert capsys.readouterr().out.strip(), "an example shows something"


def test_there_is_something_to_run():
    assert len(blocks(ROOT / "README.md")) >= 4
    assert len(EXAMPLES) >= 8
    assert any(map(blocks_of_tests, DOCUMENTS))
