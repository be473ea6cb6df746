"""What belongs to the service and not to one connection. Values and tables, without I/O.

`request` says who asks, `setup_check` and `tokens` whether that is accepted, `quota` how much of
it, and `dialect` how models and backends differ in what they send. `context` (what was said,
counted by `usage`) and `resumption` (handles) outlive a connection; `shared` is what all
connections have in common.
"""
