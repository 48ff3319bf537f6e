"""Tests against private real servers."""
