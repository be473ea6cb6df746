"""A look everywhere that a key could show.

Everything that a person, an error tracker or a disk could get to see of a session is gathered in
an `Evidence`: logs of everything at DEBUG, errors with the variables of every frame, the variables
of the tasks that run, values by ``repr``, copies and dumps, and every file. None of it may hold a
key, nor a key in base64, in hex or quoted for a URL.

The keys stand in no variable of the tests, and the tests' own frames are not looked at.
"""

import asyncio
import base64
import copy
import json
import logging
import pickle
import pprint
import traceback
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus

import msgspec

KEY, SECOND, THIRD = (f"CANARY-{name}+w/th~{name * 4}==" for name in ("kiwi", "plum", "figs"))
CANARIES = {KEY, SECOND, THIRD}
NOT_LOOKED_AT = {__file__, str(Path(__file__).with_name("test_key_leaks.py"))}


def forms_of(key):
    """A key as it may be written down."""
    yield key
    yield quote(key, safe="")
    yield quote(key)
    yield quote_plus(key)
    yield json.dumps(key)[1:-1].replace("/", "\\/")
    yield key.encode().hex()
    for before in range(3):  # in base64 it looks different at each place among three
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"." * before + key.encode()).decode()[(before * 8 + 5) // 6 + 1 : -5]


def found_in(text, keys):
    plain = text.lower()
    return {form for key in keys for form in forms_of(key) if form.lower() in plain}


class Evidence(logging.Handler):
    """All that was seen of a test."""

    def __init__(self, *folders):
        super().__init__(logging.DEBUG)
        self.folders = folders
        self.texts = []
        self.keys = set(CANARIES)

    def emit(self, record):
        self.add(record.getMessage(), vars(record), record.args)
        if record.exc_info and record.exc_info[1]:
            self.add_error(record.exc_info[1])

    def add(self, *values):
        for value in values:
            self.texts += [value if isinstance(value, str) else "", repr(value), f"{value}"]
            self.texts.append(pprint.pformat(value))

    def add_error(self, error, seen=None):
        """An error with its causes, and with the variables of every frame that it passed."""
        seen = set() if seen is None else seen
        if error is None or id(error) in seen:
            return
        seen.add(id(error))
        self.add(error, vars(error), error.args, getattr(error, "__notes__", ()))
        rendered = traceback.TracebackException.from_exception(error, capture_locals=True)
        for frame in rendered.stack:
            self.add_variables(frame.filename, frame.locals or {})
        self.texts += traceback.format_exception(error)
        self.texts.append(pickle.dumps((error.args, vars(error))).decode("latin-1"))
        for other in (error.__cause__, error.__context__, *getattr(error, "exceptions", ())):
            self.add_error(other, seen)

    def add_tasks(self):
        """The variables of everything that runs on the loop, as a crash dump would have them."""
        for task in asyncio.all_tasks():
            self.add(task)
            for frame in task.get_stack():
                shown = {name: repr(value) for name, value in frame.f_locals.items()}
                self.add_variables(frame.f_code.co_filename, shown)

    def add_variables(self, file, variables):
        if file not in NOT_LOOKED_AT:
            self.texts += [f"{file}: {name} = {value}" for name, value in variables.items()]

    def add_value(self, value):
        """Everything that can be made of a value without asking it for its secret."""
        self.add(value, copy.copy(value), copy.deepcopy(value))
        if isinstance(value, msgspec.Struct):
            self.add(msgspec.structs.asdict(value), msgspec.structs.astuple(value))
        for dump in (
            lambda: pickle.dumps(value),
            lambda: msgspec.json.encode(value),
            lambda: json.dumps(msgspec.structs.asdict(value)).encode(),
            lambda: json.dumps(msgspec.structs.asdict(value), default=repr).encode(),
        ):
            with suppress(TypeError):
                self.texts.append(dump().decode("latin-1"))

    def add_files(self):
        for folder in self.folders:
            for path in sorted(folder.rglob("*")):
                self.texts.append(path.name)
                if path.is_file():
                    self.texts.append(path.read_bytes().decode("latin-1"))

    def check(self):
        self.add_files()
        assert len(self.texts) > 20
        leaks = [(form, t) for t in self.texts for form in found_in(t, self.keys)]
        assert not leaks, f"{len(leaks)} leaks, such as {leaks[0][1][:600]}"
