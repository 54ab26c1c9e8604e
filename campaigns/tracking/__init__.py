"""What customers do with what they got: links, receipts, replies, and the figures of it all."""
