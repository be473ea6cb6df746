"""Function calls of the model, over one connection or several.

A resumed session knows what its handle remembers. It takes no result for a call that came after
the handle: either the question is sent again and the model calls again, or the result is told in
words.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from antiphon.wire import (
    ClientContent,
    ClientMessage,
    Content,
    FunctionCall,
    FunctionResponse,
    ModelProfile,
    Part,
    Tool,
    ToolResponse,
    encode_client_message,
)

__all__ = ["Calls", "known_id", "wants_answer"]

_MAX_CALL_ID = 256  # characters; the service's own have some 40
_MAX_CALLS = 256


@dataclass(slots=True)
class _Call:
    turn: int
    awaited: bool
    """Its turn is not complete before it has the result."""
    holds: bool
    """No realtime input may be sent while it is open."""
    connection: int
    """The number of the one on which it was made last."""
    repeated: bool = False
    """It is the same as on the connection before."""
    remembered: bool = False
    """A resumption handle came after it."""
    asked_again: bool = False
    """The connection broke; what was asked is sent again."""
    lost: bool = False
    """The session does not know it any more."""


class Calls:
    """The last 256 calls that have an id; the oldest are forgotten.

    Args:
        profile: What the model needs.
        tools: What is declared.
    """

    def __init__(self, profile: ModelProfile, tools: Iterable[Tool] = ()) -> None:
        self.connection = 1
        """Number of the present connection."""
        self._profile = profile
        self._calls: OrderedDict[str, _Call] = OrderedDict()
        self._open: set[str] = set()
        # Calls without an id, which Vertex may send: open until a result of that name is given.
        self._without_id: list[tuple[str, bool]] = []
        self._blocking: set[str] = set()
        self.declare(tools)

    @property
    def open(self) -> bool:
        """Whether a result is waited for."""
        return bool(self._open or self._without_id)

    @property
    def hold_input(self) -> bool:
        """Whether the model must not be sent realtime input now."""
        holds = any(self._calls[call_id].holds for call_id in self._open)
        return holds or any(holds for _, holds in self._without_id)

    def declare(self, tools: Iterable[Tool]) -> None:
        """These are the functions from now on."""
        self._blocking.clear()
        for tool in tools:
            for function in tool.function_declarations or []:
                behavior = function.behavior or self._profile.tool_behavior
                if behavior == "BLOCKING":
                    self._blocking.add(function.name)

    def called(self, calls: Iterable[FunctionCall], turn: int) -> None:
        """The model called functions."""
        for call in calls:
            awaited = call.name in self._blocking
            holds = self._profile.holds_input_in_call and awaited
            if not known_id(call.id):
                self._without_id.append((call.name, holds))
                del self._without_id[:-_MAX_CALLS]
                continue
            before = self._calls.get(call.id)
            if before is not None and before.connection == self.connection:
                continue
            # One that was lost for good has nothing to do with this one but the id.
            repeated = before is not None and (before.asked_again or not before.lost)
            self._calls[call.id] = _Call(turn, awaited, holds, self.connection, repeated)
            self._calls.move_to_end(call.id)
            self._open.add(call.id)
        while len(self._calls) > _MAX_CALLS:
            oldest = next(iter(self._calls))
            over = next((key for key in self._calls if key not in self._open), oldest)
            del self._calls[over]
            self._open.discard(over)

    def cancelled(self, ids: Iterable[str]) -> None:
        """The service does not want these results any more."""
        self._open -= set(ids)

    def answered(self, responses: Iterable[FunctionResponse]) -> None:
        """Results were given."""
        for response in responses:
            if response.will_continue:
                continue
            self._open.discard(response.id)
            if not known_id(response.id):
                names = [name for name, _ in self._without_id]
                if response.name in names:
                    del self._without_id[names.index(response.name)]

    def were_awaited(self, responses: Sequence[FunctionResponse]) -> bool:
        """Whether a turn is not complete before it has these results, or was interrupted.

        What is told in words is a question of its own.
        """
        for response in responses:
            call = self._calls.get(response.id)
            if call is None and response.name not in self._blocking:
                return False
            if call is not None and (call.lost or not call.awaited):
                return False
        return True

    def stop_holding(self) -> None:
        """The user was kept waiting for long enough."""
        for call in self._calls.values():
            call.holds = False
        self._without_id = [(name, False) for name, _ in self._without_id]

    def mark_remembered(self) -> None:
        """A resumption handle came: it remembers all calls so far."""
        for call in self._calls.values():
            call.remembered = True

    def resume(self, *, with_handle: bool, asked_again: bool, turn: int | None) -> None:
        """There is a connection again, with a handle or to a new session.

        Args:
            with_handle: It remembers what its handle does.
            asked_again: The question of ``turn`` is sent again.
            turn: None: whatever was asked.
        """
        self.connection += 1
        self._without_id.clear()  # whatever comes of them, nobody could tell them apart
        for call_id, call in self._calls.items():
            if not call.lost and not (with_handle and call.remembered):
                call.lost = True
                call.asked_again = asked_again and (turn is None or call.turn == turn)
                self._open.discard(call_id)

    def is_asked_again(self, call_id: str) -> bool:
        """Whether a call was lost, and the model will make it anew if it still wants it."""
        call = self._calls.get(call_id)
        return call is not None and call.lost and call.asked_again

    def is_repeated(self, call_id: str) -> bool:
        """Whether a call was made on an earlier connection too, and its result is still missing."""
        call = self._calls.get(call_id)
        return call is not None and call.repeated

    def messages(
        self, responses: Sequence[FunctionResponse]
    ) -> list[tuple[bytes, Sequence[FunctionResponse]]]:
        """The messages that tell results, with the results in each.

        Those of calls that will be made anew are in none, nor is the empty end of a stream.
        """
        known, told = [], []
        for response in responses:
            call = self._calls.get(response.id)
            if call is None or not call.lost:
                known.append(response)
            elif not call.asked_again and response.response:
                told.append(response)
        messages: list[tuple[bytes, Sequence[FunctionResponse]]] = []
        if known:
            message = ClientMessage(tool_response=ToolResponse(function_responses=known))
            messages.append((encode_client_message(message), known))
        if told:
            turns = list(map(_in_words, told))
            content = ClientContent(turns=turns, turn_complete=wants_answer(told))
            messages.append((encode_client_message(ClientMessage(client_content=content)), told))
        return messages


def known_id(call_id: str) -> str:
    """The id by which a call is remembered: Vertex may leave it out, and none is so long."""
    return call_id if len(call_id) <= _MAX_CALL_ID else ""


def wants_answer(responses: Iterable[FunctionResponse]) -> bool:
    """Whether the model says something to one of these results."""
    return any(response.scheduling != "SILENT" for response in responses)


def _in_words(response: FunctionResponse) -> Content:
    """A result for a session that does not know the call."""
    result = json.dumps(response.response, ensure_ascii=False)
    return Content(role="user", parts=[Part(text=f"[Result of {response.name}: {result}]")])
