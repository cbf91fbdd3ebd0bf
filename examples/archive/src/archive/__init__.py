"""A small video archive: Celery tasks and RQ jobs that do real work, for the demo to watch."""
