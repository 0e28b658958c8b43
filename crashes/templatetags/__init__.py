"""Filters and tags of the pages about crashes."""
