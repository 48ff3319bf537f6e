"""Alerting: the rules, the state of each loop, and the text of a call. Knows no Prefect."""
