"""Every contact of an account, and the evidence that none is missing."""
