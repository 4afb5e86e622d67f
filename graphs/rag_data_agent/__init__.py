"""A guarded chat agent of a bicycle shop: it answers from the shop's handbook, from its database, or just so."""
