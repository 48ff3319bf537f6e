"""What users have come to rely on, compared with files."""
