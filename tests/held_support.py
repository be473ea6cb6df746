"""How much an object holds, with all that it leads to."""

import asyncio
import gc
import logging
import sys
import types
from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec

# What belongs to all, or leads there: the code, the loop, whoever waits on it.
_OF_ALL = (
    type,
    types.ModuleType,
    types.CodeType,
    types.FrameType,
    types.CoroutineType,
    asyncio.AbstractEventLoop,
    asyncio.Future,
    logging.Logger,
)


def held(*roots: object, beyond: Sequence[object] = ()) -> tuple[int, int]:
    """How many objects, and how many bytes, can be reached from ``roots``.

    Args:
        roots: Where to begin.
        beyond: What is not looked into, such as the other end.
    """
    seen = {id(each): each for each in beyond}
    waiting = deque(roots)
    size_bytes = 0
    while waiting:
        found = waiting.popleft()
        if id(found) in seen or isinstance(found, _OF_ALL):
            continue
        seen[id(found)] = found
        size_bytes += _size(found)
        waiting.extend(_referents(found))
    return len(seen) - len(beyond), size_bytes


def assert_flat(measured: Sequence[tuple[int, int]], *, within: float = 0.02) -> None:
    """Objects and bytes: what wobbles must not grow."""
    print(measured)  # noqa: T201
    first, *later = measured
    for now in later:
        assert now[0] <= first[0] * (1 + within)
        assert now[1] <= first[1] * (1 + within)


def _size(found: object) -> int:
    """Of a container what is in it, not its table: that grows and shrinks by leaps."""
    if isinstance(found, dict | set | list | deque):
        return 100 * len(found)
    return sys.getsizeof(found)


def _referents(found: object) -> list[Any]:
    if isinstance(found, types.FunctionType):  # not the module around it
        return [found.__closure__, found.__defaults__, found.__kwdefaults__]
    if isinstance(found, msgspec.Struct):  # some are hidden from the collector
        return [getattr(found, name) for name in found.__struct_fields__]
    return gc.get_referents(found)
