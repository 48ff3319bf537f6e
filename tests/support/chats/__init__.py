"""Services that people are called through: what they read in a message, and a receiver that stands for all of them."""
