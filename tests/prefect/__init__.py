"""The flows and deployments on a real Prefect server, against the sandbox mail system."""
