"""How a generated video can be told from a real one: tags, an invisible mark, signed credentials."""
