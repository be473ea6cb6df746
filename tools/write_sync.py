"""Write ``antiphon/sync/session.py`` and ``conversation.py``: the synchronous twins of the classes.

The classes of ``antiphon.session`` and ``antiphon.conversation`` are read, and for each public
method a synchronous one of the same name, arguments and documentation is written that has the other
done on the event loop. Run it after a change of them: ``python tools/write_sync.py``. A test tells
when that was forgotten.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1] / "python"

#: The classes (and functions) of each module to be written, in order.
SESSION = {
    "antiphon.session.feed": ["Subscription"],
    "antiphon.session.subscription": ["MessageStream"],
    "antiphon.session.reply": ["TurnStream"],
    "antiphon.session.session": ["LiveSession"],
    "antiphon.session.model": ["LiveModel", "connect"],
}
CONVERSATION = {"antiphon.conversation.conversation": ["Conversation"]}
TWINS = {name for names in [*SESSION.values(), *CONVERSATION.values()] for name in names}
#: Those that the application makes; the others are given to it.
MADE_BY_APPLICATIONS = {"LiveModel", "Conversation"}
#: They are streams, or make some: the time limit is that of each message.
STREAMS = {"Subscription", "MessageStream", "TurnStream"}
#: For the room itself, not for applications.
LEFT_OUT = {"Subscription.put", "Subscription.end", "LiveSession.open"}
#: What another type stands for here.
TYPES = {
    "Connecting": "LiveSession",
    "ConversationSession": "LiveSession",
    "EventSubscription": "Subscription[Event]",
}
DUNDERS = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}
WORDS = {
    r"\basync (with|for)\b": r"\1",
    r"\bawait\b ": "",
    r"an async context manager": "a context manager",
    r"several tasks": "several threads",
}
LIMIT = "timeout_s"
HEADER = '''"""{summary}

Written by ``tools/write_sync.py`` from the asynchronous classes: change those, and run it.
"""

from __future__ import annotations

'''


@dataclass
class Source:
    """A module that is read: its definitions, and where its names come from."""

    name: str
    definitions: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)
    typing_only: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, name: str) -> Source:
        """Read a module of the package."""
        source = cls(name)
        tree = ast.parse((ROOT / name.replace(".", "/")).with_suffix(".py").read_text())
        source._take(tree.body, typing_only=False)
        return source

    def _take(self, body: list[ast.stmt], *, typing_only: bool) -> None:
        for node in body:
            if isinstance(node, ast.If):
                self._take(node.body, typing_only=True)
                continue
            names: dict[str, str] = {}
            if isinstance(node, ast.ImportFrom):
                names = {a.name: f"from {node.module} import {a.name}" for a in node.names}
            elif isinstance(node, ast.Import):
                names = {a.asname or a.name: ast.unparse(node) for a in node.names}
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                self.definitions[node.name] = node
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
                ids = [target.id for target in targets if isinstance(target, ast.Name)]
                names = {name: f"from {self.name} import {name}" for name in ids}
            self.imports |= names
            self.typing_only |= set(names) if typing_only else set()


def translated(text: str) -> str:
    """Documentation, in the words of synchronous code."""
    for pattern, replacement in WORDS.items():
        text = re.sub(pattern, replacement, text)
    return text


def type_here(annotation: ast.expr | None) -> str:
    """A type, in the names of the twins."""
    text = "None" if annotation is None else ast.unparse(annotation)
    for name, here in TYPES.items():
        text = re.sub(rf"\b{name}\b", here, text)
    return text


class Writer:
    """Writes one module."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def class_(self, node: ast.ClassDef) -> None:
        """The twin of a class."""
        name = node.name
        generic = "[T]" if name == "Subscription" else ""
        self.lines += [
            f"class {name}(Twin[Async{name}{generic}]{', Generic[T]' if generic else ''}):",
            _doc(node, 4),
        ]
        methods = {m.name: m for m in node.body if _is_function(m)}
        for attribute, kind in _attributes(methods["__init__"], name):
            body = f"return self._asynchronous.{attribute}"
            self.lines += ["    @property", f"    def {attribute}(self) -> {kind}:"]
            self.lines += [f'        """See `{name}`."""', f"        {body}", ""]
        for method in methods.values():
            if method.name == "__init__":
                if name in MADE_BY_APPLICATIONS:
                    self._init(method, name)
            elif (method.name in DUNDERS or not method.name.startswith("_")) and (
                f"{name}.{method.name}" not in LEFT_OUT
            ):
                self._method(method, name)

    def function(self, node: ast.FunctionDef) -> None:
        """The twin of ``connect``, which makes a model and connects it."""
        arguments = _arguments(node, bound=False)
        self.lines += [
            f"def {node.name}({ast.unparse(node.args)}) -> {type_here(node.returns)}:",
            _doc(node, 4),
            "    portal = open_portal()",
            "    async def open_session() -> AsyncLiveSession:",
            f"        return await async_{node.name}({arguments})",
            "    return LiveSession(portal.call(open_session), portal)",
            "",
        ]

    def _init(self, node: ast.FunctionDef, name: str) -> None:
        arguments = _arguments(node, bound=True)
        self.lines += [f"    def __init__({_signature(node)}) -> None:"]
        if "session: LiveSession" in _signature(node):
            arguments = arguments.replace("session", "session._asynchronous", 1)
            self.lines += [
                "        portal = session._living_portal()",
                f"        async def make() -> Async{name}:",
                f"            return Async{name}({arguments})",
                "        super().__init__(portal.call(make), portal)",
                "",
            ]
        else:
            self.lines += [f"        super().__init__(Async{name}({arguments}))", ""]

    def _method(self, node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str) -> None:
        name, result = DUNDERS.get(node.name, node.name), type_here(node.returns)
        if node.decorator_list:
            self.lines += ["    @property"]
        call = f"it.{node.name}({_arguments(node, bound=True)})"
        limited = _takes_limit(node)
        self.lines += [f"    def {name}({_signature(node, limited=limited)}) -> {result}:"]
        if ast.get_docstring(node):
            self.lines += [_doc(node, 8, limited=limited)]
        self.lines += [f"        {line}" for line in _body(node, owner, call, result)] + [""]


def _body(  # noqa: PLR0911 one for each kind of method
    node: ast.FunctionDef | ast.AsyncFunctionDef, owner: str, call: str, result: str
) -> list[str]:
    twin = result.partition("[")[0]
    limit = f", {LIMIT}" if _takes_limit(node) else ""
    if node.decorator_list:
        return [f"return self._asynchronous.{node.name}"]
    if node.name == "__aiter__" and owner in STREAMS:
        return ["return self"]
    if node.name == "__anext__":
        wait = "return self._wait(lambda it: it.__anext__(), self._timeout_s)"
        ended = "raise StopIteration from None"
        return ["try:", f"    {wait}", "except StopAsyncIteration:", f"    {ended}"]
    if result == "Self":
        return [f"self._wait(lambda it: {call})", "return self"]
    if isinstance(node, ast.AsyncFunctionDef):
        waited = f"self._wait(lambda it: {call}{limit})"
        return [waited] if result == "None" else [f"return {waited}"]
    if type_of(node) == "Connecting":
        return [
            "it, portal = self._asynchronous, open_portal()",
            "async def open_session() -> AsyncLiveSession:",
            f"    return await {call}",
            "return LiveSession(portal.call(open_session), portal)",
        ]
    if twin == "Conversation":
        return [
            "room: Any = import_module('antiphon.sync.conversation')",
            "conversation: Conversation = room.Conversation(self, device, **options)",
            "return conversation",
        ]
    called = f"self._call(lambda it: {call})"
    if twin in STREAMS:
        return [f"return {twin}({called}, self._portal{limit})"]
    return [called] if result == "None" else [f"return {called}"]


def type_of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """The type of its result, as it is written there."""
    return "" if node.returns is None else ast.unparse(node.returns)


def _is_function(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _takes_limit(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it waits, or gives a stream whose messages are waited for."""
    if node.name.startswith("__") or node.decorator_list:
        return False
    own = {argument.arg for argument in [*node.args.args, *node.args.kwonlyargs]}
    is_stream = type_here(node.returns).split("[")[0] in STREAMS
    return LIMIT not in own and (isinstance(node, ast.AsyncFunctionDef) or is_stream)


def _signature(node: ast.FunctionDef | ast.AsyncFunctionDef, *, limited: bool = False) -> str:
    arguments = ast.parse(ast.unparse(node)).body[0].args  # type: ignore[attr-defined]
    for argument in [*arguments.args, *arguments.kwonlyargs]:
        if argument.annotation is not None:
            argument.annotation = ast.parse(type_here(argument.annotation), mode="eval").body
    if limited:
        annotation = ast.parse("float | None", mode="eval").body
        arguments.kwonlyargs.append(ast.arg(LIMIT, annotation))
        arguments.kw_defaults.append(ast.Constant(None))
    return ast.unparse(arguments)


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef, *, bound: bool) -> str:
    """The arguments of a call that passes everything on."""
    given = node.args
    positional = [argument.arg for argument in [*given.posonlyargs, *given.args]][bound:]
    named = [f"{argument.arg}={argument.arg}" for argument in given.kwonlyargs]
    rest = [f"**{given.kwarg.arg}"] if given.kwarg else []
    return ", ".join([*positional, *named, *rest])


def _attributes(init: ast.FunctionDef, owner: str) -> Iterator[tuple[str, str]]:
    """The public attributes, each with its type."""
    kinds = {a.arg: a.annotation for a in [*init.args.args, *init.args.kwonlyargs]}
    for node in ast.walk(init):
        if isinstance(node, ast.AnnAssign):
            target, kind = node.target, node.annotation
        elif isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            kind = kinds.get(node.value.id) if isinstance(node.value, ast.Name) else None
        else:
            continue
        if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
            continue
        if target.attr.startswith("_"):
            continue
        if kind is None:
            raise SystemExit(f"{owner}.{target.attr} has no type; annotate it in __init__.")
        yield target.attr, type_here(kind)


def _doc(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
    indent: int,
    *,
    limited: bool = False,
) -> str:
    text = translated(ast.get_docstring(node) or "")
    if limited:  # the last of the arguments, where any are described
        text = re.sub(
            r"(\nArgs:\n(?: .*\n?)+)", rf"\1    {LIMIT}: See `antiphon.sync`.\n", text + "\n"
        )
        text = text.rstrip()
    margin = " " * indent
    lines = [f"{margin}{line}" if line else "" for line in text.splitlines()]
    body = "\n".join(lines).strip()
    return f'{margin}"""{body}{chr(10) + margin if len(lines) > 1 else ""}"""'


def module(modules: dict[str, list[str]], summary: str, fixed: list[str]) -> str:
    """A whole module."""
    writer, sources = Writer(), [Source.read(name) for name in modules]
    for source in sources:
        for name in modules[source.name]:
            node = source.definitions[name]
            if isinstance(node, ast.ClassDef):
                writer.class_(node)
            else:
                assert isinstance(node, ast.FunctionDef)
                writer.function(node)
            fixed.append(f"from {source.name} import {name} as {_async_name(name)}")
    body = "\n".join(writer.lines)
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    always, typing_only = set[str](), set[str]()
    here = {line.split()[-1] for line in fixed}
    own = {name for names in modules.values() for name in names}
    for source in sources:
        for name in (used & source.imports.keys()) - own - here:
            line = source.imports[name]
            if name in TWINS - own:  # of the other module that is written
                line = f"from antiphon.sync.conversation import {name}"
            (typing_only if name in source.typing_only else always).add(line)
    typing_only -= always
    public = "".join(f'"{name}",' for name in sorted(own))
    return "\n".join(
        [
            HEADER.format(summary=summary) + "\n".join(sorted({*fixed, *always})),
            *(["from typing import TYPE_CHECKING", "if TYPE_CHECKING:"] if typing_only else []),
            *[f"    {line}" for line in sorted(typing_only)],
            f"__all__ = [{public}]",
            "",
            body,
        ]
    )


def _async_name(name: str) -> str:
    return f"Async{name}" if name[0].isupper() else f"async_{name}"


def pages() -> dict[Path, str]:
    """The modules, before they are formatted."""
    session = module(
        SESSION,
        "Models and sessions, for code without asyncio.",
        ["from antiphon.sync.portal import Twin, open_portal"],
    )
    conversation = module(
        CONVERSATION,
        "Conversations, for code without asyncio.",
        [
            "from antiphon.sync.portal import Twin",
            "from antiphon.sync.session import LiveSession, Subscription",
        ],
    )
    folder = ROOT / "antiphon" / "sync"
    return {folder / "session.py": session, folder / "conversation.py": conversation}


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    names = [str(path) for path in pages()]
    subprocess.run([*ruff, "check", "--quiet", "--fix", "--select=I", *names], check=True)  # noqa: S603
    subprocess.run([*ruff, "format", "--quiet", *names], check=True)  # noqa: S603
