"""The endpoints of crashes: uploads of devices, and the staff API."""
