"""The HTML report, and the tables that the command line prints."""
