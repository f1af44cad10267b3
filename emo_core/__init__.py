"""EMO (Emote Portrait Alive, arXiv:2402.17485): the network, its conditioning, its sampling, without any host."""
