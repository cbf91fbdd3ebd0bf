"""What every test may use."""

pytest_plugins = ["support.servers"]
