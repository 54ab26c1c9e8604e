"""Posts to group chats and moments: made and scheduled, sent, and followed to their end."""
