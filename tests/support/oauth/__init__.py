"""A token server (OAuth 2) that answers for real, and what those that ask it show."""
