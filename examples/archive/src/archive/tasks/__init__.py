"""The archive's Celery tasks, a module for each kind."""
