"""What the scenarios' workers run: `celery -A support.scenarios.worker worker`."""

import os

from support.scenarios.app import Place, make_app

app = make_app(
    Place(
        broker=os.environ["SCENARIO_BROKER"],
        backend=os.environ["SCENARIO_BACKEND"],
        ledger=os.environ["SCENARIO_LEDGER"],
        visibility_seconds=int(os.environ["SCENARIO_VISIBILITY"]),
    )
)
app.set_current()
