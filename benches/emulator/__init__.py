"""How fast the local server is in virtual time, and how many sessions it holds in real time."""
