"""What the cluster suite has watched: Celery tasks and RQ jobs that write down in a ledger what truly happened to them.

In pods alone, with an image of its own (`Dockerfile` beside this folder). Nothing of Taskscope is in it.
"""
