"""The fleet: which phones, running what, under whose consent."""
