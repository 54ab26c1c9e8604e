"""Webhooks: telling other systems what happened, in the way of Standard Webhooks."""
