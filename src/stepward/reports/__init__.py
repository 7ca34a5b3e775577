"""Numbers and traces as a person reads them: one HTML file, tables, figures, terminal and notebook views."""
