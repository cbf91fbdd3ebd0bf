"""A Quart application that answers one constant: what a route costs that does nothing (`python constant_app.py PORT`)."""

import sys

import uvicorn
from quart import Quart, Response

app = Quart(__name__)


@app.get("/")
async def constant() -> Response:
    """The constant."""
    return Response(b'{"status":"ok"}', content_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="warning", access_log=False)
