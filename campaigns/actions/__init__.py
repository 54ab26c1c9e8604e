"""What a person or the system may do to campaigns and welcomes."""
