"""What watches brokers: every line of Celery, kombu and RQ knowledge is below here."""
