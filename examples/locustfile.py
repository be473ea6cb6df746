"""Load from many talking users, by Locust: how long until the model answers, and to the end.

Run it against the local server or a deployment: ``pip install locust``, then ``locust -f
examples/locustfile.py --headless -u 20 -r 5 -t 60s``.
"""

import time
from collections.abc import Callable
from typing import Any

from locust import User, constant, task

from antiphon.errors import AntiphonError
from antiphon.sync import LiveModel


class Caller(User):
    """Holds one session, as a user does, and asks again and again."""

    wait_time = constant(1)
    model = LiveModel()  # holds no connection, so all users can share it

    def on_start(self) -> None:
        self.session = self.measured("connect", self.model.connect)

    def on_stop(self) -> None:
        self.session.close(timeout_s=10)

    @task
    def ask(self) -> None:
        self.measured("answer", lambda: self.session.ask("hello", timeout_s=30))

    def measured(self, name: str, call: Callable[[], Any]) -> Any:
        """Carry out a call, and tell Locust how long it took and how it went."""
        start_s, result, failure = time.perf_counter(), None, None
        try:
            result = call()
        except (AntiphonError, TimeoutError) as error:
            failure = error
        self.environment.events.request.fire(
            request_type="live",
            name=name,
            response_time=(time.perf_counter() - start_s) * 1000,
            response_length=len(getattr(result, "pcm", b"")),
            exception=failure,
        )
        if failure is not None and name == "connect":
            raise failure
        return result
