"""Why a server refuses, and who must act: one table, by the stage, the words and the codes of a reply."""
