"""The fleet's endpoints, and the credentials of all endpoints."""
