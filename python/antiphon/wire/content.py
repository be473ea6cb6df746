"""What an application says, in the shapes that people write, made into `Content`.

A turn is a ``str``; a list of parts (``str``, `Part`, `Blob`, or a dict of a part, with bytes or
base64 in its ``inline_data``); a `Content`; or a list of ``{"role": …, "parts": …}`` turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from antiphon.wire.codec import bytes_to_base64, camel_case, to_wire
from antiphon.wire.server import EXTRA, Blob, Content, Part

__all__ = ["ContentInput", "PartInput", "as_turns"]

PartInput: TypeAlias = "str | Part | Blob | Mapping[str, Any]"
ContentInput: TypeAlias = "str | Content | PartInput | Sequence[PartInput | Content]"

_OF_A_PART = frozenset(Part.__struct_encode_fields__) - {EXTRA}


def as_turns(content: ContentInput, *, role: str = "user") -> list[Content]:
    """The turns that ``content`` means; loose parts become one turn of ``role``.

    Raises:
        TypeError: Something that is neither a part nor a turn.
        ValueError: A role other than ``user``, ``model`` or ``system``; a turn without parts, or
            with other members; or a part without anything in it, or nothing that is known.
    """
    items: Sequence[Any]
    if isinstance(content, str | Content | Part | Blob | Mapping):
        items = [content]
    elif isinstance(content, Sequence) and not isinstance(content, bytes | bytearray):
        items = content
    else:
        raise TypeError(_not_content(content))
    turns: list[Content] = []
    loose: list[Part] = []
    for item in items:
        if isinstance(item, Content) or _is_turn(item):
            if loose:
                turns.append(Content(role=role, parts=loose))
                loose = []
            turns.append(_as_turn(item, role))
        else:
            loose.append(_as_part(item))
    if loose:
        turns.append(Content(role=role, parts=loose))
    return turns


def _is_turn(item: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether it is meant as one: no part has any of these members."""
    return isinstance(item, Mapping) and ("parts" in item or "role" in item)


def _as_turn(item: Content | Mapping[str, Any], role: str) -> Content:
    if isinstance(item, Content):
        turn = item
    else:
        others = item.keys() - {"role", "parts"}
        if "parts" not in item or others:
            instead = "beside" if "parts" in item else "in place of"
            raise ValueError(
                f"A turn of role {item.get('role', role)!r} has {_names(others)} {instead} "
                "'parts'. Write {'role': 'user' | 'model', 'parts': […]}, with a str or a list of "
                "parts; a member that antiphon does not know goes into Content(extra=…)."
            )
        turn = Content(role=item.get("role") or role, parts=_parts_of(item["parts"]))
    if turn.role not in ("user", "model", "system"):
        raise ValueError(f"A turn has role {turn.role!r}; it must be 'user' or 'model'.")
    if not turn.parts:
        raise ValueError(f"A turn of role {turn.role!r} has no parts.")
    return turn


def _parts_of(given: Any) -> list[Part]:
    if isinstance(given, str | Part | Blob | Mapping):
        return [_as_part(given)]
    if not isinstance(given, Iterable) or isinstance(given, bytes | bytearray):
        raise TypeError(
            f"The parts of a turn are of type {type(given).__name__}; they must be a str, a part "
            "or a list of parts."
        )
    return [_as_part(part) for part in given]


def _as_part(item: Any) -> Part:
    if isinstance(item, str):
        return Part(text=item)
    if isinstance(item, Part):
        return item
    if isinstance(item, Blob):
        return Part(inline_data=item)
    if isinstance(item, Mapping):
        names = {camel_case(name) for name in item if isinstance(name, str)}
        if item and not names & _OF_A_PART:
            raise ValueError(
                f"A part has {_names(item)}, and nothing that a part has. Write {{'text': '…'}}, "
                "or {'role': 'user' | 'model', 'parts': […]} for a turn; a member that antiphon "
                "does not know goes into Part(extra=…)."
            )
        part = to_wire(_in_base64(item), Part)
        if part == Part():
            raise ValueError("A part is empty: it has neither text nor anything else.")
        return part
    raise TypeError(_not_content(item))


def _in_base64(part: Mapping[str, Any]) -> Mapping[str, Any]:
    """A part whose bytes, if it has any, are as JSON has them."""
    for name in ("inline_data", "inlineData"):
        blob = part.get(name)
        if isinstance(blob, Mapping) and isinstance(data := blob.get("data"), bytes | bytearray):
            return {**part, name: {**blob, "data": bytes_to_base64(bytes(data))}}
    return part


def _names(members: Iterable[object]) -> str:
    return ", ".join(sorted(repr(name) for name in members)) or "nothing"


def _not_content(item: object) -> str:
    return (
        f"{type(item).__name__} is not content. Use a str, a Part, a Blob, a list of them, or a "
        "list of {'role': 'user' | 'model', 'parts': […]} turns."
    )
