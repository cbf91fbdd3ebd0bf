"""Analytics from the rollups: docs/analytics.md says what users get. Tasks themselves are not read, but for the failures."""
