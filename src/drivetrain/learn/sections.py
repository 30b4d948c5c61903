"""What sections of a report are called, for sentences that point to them."""

FILES_LEFT_OUT = "Files left out"
OCCURS_AGAIN = "Pictures that occur more than once"
