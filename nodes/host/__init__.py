"""Everything that touches the insides of ComfyUI: memory manager, layers, samplers, folders, progress."""
