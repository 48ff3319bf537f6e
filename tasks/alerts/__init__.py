"""When somebody is called: rules, where each loop stands with them, and what is said. Knows no Prefect."""
