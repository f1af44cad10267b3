"""Our networks against tensors that the authors' own code computed."""
