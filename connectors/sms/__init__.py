"""SMS through the HTTP gateway of a provider."""
