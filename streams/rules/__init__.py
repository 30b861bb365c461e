"""Alert rules: conditions, the life of an alert, and what it says to others."""
