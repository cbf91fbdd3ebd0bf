"""Watches Celery and RQ and publishes to Redis."""
