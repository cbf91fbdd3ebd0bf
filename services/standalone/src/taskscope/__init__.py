"""Watch every Celery and RQ task live, on one machine."""
