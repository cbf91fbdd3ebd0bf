"""Who asks: authenticators, grants, sessions, and the modes that put them together."""
