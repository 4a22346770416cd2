"""A trained model as it is handed over: a folder of files, the signed list of them, and how anyone checks it."""
