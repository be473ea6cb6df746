"""What is kept of sessions: messages in shape (`shapes`), without their sound and pictures.

`event_log` has the last of them in memory, for people and for assertions. `recorder` writes all of
them to a folder, the server's sound beside them; `antiphon.emulator.brains.replay` reads that.
"""
