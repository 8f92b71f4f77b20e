"""Between a method call and the bytes: requests, retries, and what an answer says."""
