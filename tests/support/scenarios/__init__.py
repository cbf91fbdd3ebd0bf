"""Celery scenarios with real workers: what is sent, what its ledger says, and what Taskscope has to make of it."""
