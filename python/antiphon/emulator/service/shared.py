"""What the connections of one server have in common."""

from __future__ import annotations

import random

from antiphon.emulator.service.quota import Quota
from antiphon.emulator.service.resumption import ResumptionStore
from antiphon.emulator.service.tokens import TokenStore
from antiphon.emulator.settings import Settings

__all__ = ["Shared"]


class Shared:
    """Handles, tokens and quotas; of one thread, like the sessions."""

    def __init__(self, settings: Settings) -> None:
        self.resumption = ResumptionStore(settings.handle_lifetime_s)
        self.quota = Quota(settings.max_sessions, settings.tokens_per_minute)
        # The key is part of the seed: who does not know it cannot guess a token that stands for it.
        seed = f"{settings.seed}/tokens/{settings.api_key or ''}"
        self.tokens = TokenStore(random.Random(seed))  # noqa: S311
