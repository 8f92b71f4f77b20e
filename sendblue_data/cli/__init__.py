"""The command line, `sendblue-data`."""
