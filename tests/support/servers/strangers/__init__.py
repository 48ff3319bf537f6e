"""Programs that the servers of the laboratory run, under other accounts and with Debian's Python."""
