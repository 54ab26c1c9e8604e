"""The views of the API: lists, single rows, and one class per verb."""
