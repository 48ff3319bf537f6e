"""What the way of a message left in its header: hops, clocks, authentication, filters."""
