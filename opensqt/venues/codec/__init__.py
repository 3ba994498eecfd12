"""Pure translations between venues' JSON and our messages, one module per dialect."""
