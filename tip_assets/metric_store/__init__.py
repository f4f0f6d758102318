"""The metric store, the platform's own database: tables, migrations, reads and writes."""
