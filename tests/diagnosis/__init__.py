"""What goes wrong with mail, made for real, and what the check says of it: docs/diagnosis.md, kept true."""
