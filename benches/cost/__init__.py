"""What a session costs in processor time, beside what others' sessions cost for the same work."""
