"""How many sessions one core carries in real time, ours and those of google-genai."""
