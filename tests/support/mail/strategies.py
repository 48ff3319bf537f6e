"""What tests with generated input share."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st

stable = settings(derandomize=True, database=None, deadline=None, max_examples=200)
few = settings(stable, max_examples=100)
TEXT = st.text(max_size=200) | st.text("\x00\x07\x1b\x7f\r\n\t \u202e\u200b\ud800|`\\*[]()<>&#;:/@w.1-=x", max_size=60)
