"""The demo: one conversation with everything in it, that proves itself.

Read `run` for the whole, `scenario` for the talk, `server` for the local Live server that
answers, `report` for what is said about it in the end.
"""

from antiphon.demo.run import run_demo

__all__ = ["run_demo"]
