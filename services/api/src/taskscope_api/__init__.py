"""REST and push over what the collector publishes."""
