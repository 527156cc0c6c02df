"""Where the master keys of cards are kept: a file under a passphrase, or a token of PKCS#11."""
