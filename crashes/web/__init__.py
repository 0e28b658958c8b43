"""Pages about crashes."""
