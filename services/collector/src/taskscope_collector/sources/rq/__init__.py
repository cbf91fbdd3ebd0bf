"""RQ: tracking pushes, polling and reconciliation."""
