"""What a node keeps of its fleet: terminals, lists, commands. No money stands here."""
