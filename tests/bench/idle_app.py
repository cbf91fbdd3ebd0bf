"""A Celery application for workers that do nothing but be there."""

import os

from celery import Celery

app = Celery("idle", broker=os.environ["BENCH_BROKER"])
