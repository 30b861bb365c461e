"""The torture run: workers and the broker are hurt in turn, and what they leave is held against a recount."""
