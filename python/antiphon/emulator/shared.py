"""What the connections of one server have in common."""

from __future__ import annotations

from antiphon.emulator.quota import Quota
from antiphon.emulator.resumption import ResumptionStore
from antiphon.emulator.settings import Settings

__all__ = ["Shared"]


class Shared:
    """Handles and quotas; of one thread, like the sessions."""

    def __init__(self, settings: Settings) -> None:
        self.resumption = ResumptionStore(settings.handle_lifetime_s)
        self.quota = Quota(settings.max_sessions, settings.tokens_per_minute)
