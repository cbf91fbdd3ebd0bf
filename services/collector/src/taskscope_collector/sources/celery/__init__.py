"""Celery: events, results, inspect and queue depths, over Redis and AMQP."""
