"""antiphon: live voice conversation with Gemini."""
