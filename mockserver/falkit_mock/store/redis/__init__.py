"""A state that several machines share: rows in a Redis, of which each replica has all in memory."""
