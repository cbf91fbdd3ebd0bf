"""Whether the service of this container is ready: exits 0 when `/readyz` of the port that is given answers 200, else 1."""

import http.client
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=4)
connection.request("GET", "/readyz")
sys.exit(connection.getresponse().status != 200)
