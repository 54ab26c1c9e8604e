"""What Liuke reaches on this machine, beside the bare work that it does: `manage.py bench`."""
