"""What a client's message holds, beyond its members."""

from __future__ import annotations

from antiphon import wire
from antiphon.emulator.session.brain import Call

__all__ = ["content_of", "find_call", "function_responses", "last_words", "media"]


def media(realtime: wire.RealtimeInput) -> tuple[wire.Blob | None, wire.Blob | None]:
    """Audio and video of a message; of the old ``mediaChunks`` only the first is used."""
    audio, video = realtime.audio, realtime.video
    if realtime.media_chunks:
        first = realtime.media_chunks[0]
        if first.mime_type.startswith(("image/", "video/")):
            return audio, first
        return first, video
    return audio, video


def content_of(role: str, text: str) -> wire.Content:
    """A turn of one text."""
    return wire.Content(role=role, parts=[wire.Part(text=text)])


def last_words(history: list[wire.Content]) -> str:
    """The text of the last turn of the user, if the model has not spoken since.

    Turns without a letter or a digit do not count: frameworks send them to have the turns
    before answered.
    """
    for content in reversed(history):
        if content.role == "model":
            break
        text = " ".join(part.text for part in content.parts if part.text)
        if any(letter.isalnum() for letter in text):
            return text
    return ""


def function_responses(content: wire.ClientContent) -> list[wire.FunctionResponse]:
    """Function responses that came as parts of content; one official client sends them so."""
    parts = [part for turn in content.turns for part in turn.parts]
    return [part.function_response for part in parts if part.function_response is not None]


def find_call(calls: dict[str, Call], response: wire.FunctionResponse) -> str | None:
    """The open call that a response answers: by id, or by name where ids are optional."""
    if response.id:
        return response.id if response.id in calls else None
    return next((id_ for id_, call in calls.items() if call.name == response.name), None)
