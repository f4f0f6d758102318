"""The champion, the loaded model and its predictions, scoring of files."""
