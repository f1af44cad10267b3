"""What the built-in model claims, measured on clips it has never seen: `python -m emo_core evaluate builtin`."""
