"""What lies around a session: a driver that runs it, and a network and a service that go wrong.

`link` says what a network does to time, and `linked_channel` waits that long; `faulty_session`
applies the rules of `antiphon.emulator.faults` between a session and its `driver`, where asyncio
begins. `memory` connects clients of this process without a socket.
"""
