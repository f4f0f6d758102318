"""Who serves and what it answers: the champion, the loaded model, scoring of files."""
