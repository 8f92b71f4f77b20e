"""What every room may use: time, text, masking, files, and the checks of arguments."""
