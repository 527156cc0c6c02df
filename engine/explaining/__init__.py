"""Why a transaction became what it became: for an auditor, and for who was charged."""
