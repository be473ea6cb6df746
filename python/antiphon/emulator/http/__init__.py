"""The port: everything that needs a socket, or is asked for by HTTP.

`door` looks at the first request of a connection: `websocket` has the upgrades, `http_api` answers
the others: tokens, `control` of running sessions, and the page ``inspect.html``. `tls` makes the
certificate.
"""
