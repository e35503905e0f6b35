"""The Cluster port on a real Kubernetes: watched caches to read from, server-side apply to write with."""
