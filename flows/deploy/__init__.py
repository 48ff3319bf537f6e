"""`mail-loop deploy`: files of checks, made into deployments of Prefect."""
