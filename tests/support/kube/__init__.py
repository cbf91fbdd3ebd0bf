"""A real Kubernetes cluster for tests: what they need of it, and what they do with it."""
