"""Lists that others made (a CRM's export, a spreadsheet, a STOP list) to contacts, and suppressions back to them."""
