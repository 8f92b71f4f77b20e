"""The HTTP client: requests, rate limits, retries, and the decoding of answers."""
