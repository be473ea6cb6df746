"""antiphon's resampler and conversions beside those that people use today.

``make bench-peers`` runs it; `benches.peers.quality` says what is measured and how.
"""
