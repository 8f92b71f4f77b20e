"""Every contact of an account, and every message, and the evidence that none is missing."""
