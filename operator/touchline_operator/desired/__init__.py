"""PURE: what is wanted (resources, facts of the record, settings of the platform) as complete Kubernetes objects."""
