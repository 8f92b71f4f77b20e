"""Analytics: any frame that Narwhals knows in, a small Polars table out."""
