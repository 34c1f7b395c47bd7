"""Its place makes pytest put this folder on the path: golden/ and e2e/ share tolerance.py."""
