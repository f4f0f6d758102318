"""The platform's own database: tables, migrations, reads and writes."""
