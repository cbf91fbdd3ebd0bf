"""The routes, by what they are about. Each declares its role and its schemas."""
