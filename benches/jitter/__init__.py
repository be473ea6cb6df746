"""Our jitter buffer beside plain FIFOs and the neteq crate, on the judge's traces."""
