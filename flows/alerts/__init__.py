"""`mail-loop alerts`: the operator's rules, made into automations of Prefect, shown and tried out."""
