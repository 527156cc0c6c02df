"""Journal, views, recovery, verification and backup; the only package that touches LMDB."""
