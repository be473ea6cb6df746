"""A session of the server: no I/O, no clock, no thread. Times and messages in, messages out.

Read in this order: `core` (what a driver holds), its ear `turn_taking` and its mouth `answering`,
`generation` and `pacing`; `brain` (what an answer may be, for those who give answers), `agenda`,
`reading` and `thinking`. `jobs` is work that others do for it, `record` what it tells of itself,
`lifetime` its end, and `outlet` the one way out.
"""
