"""What a person or the system may do to contacts: one module per noun, one function per intent."""
