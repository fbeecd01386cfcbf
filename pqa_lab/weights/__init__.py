"""What ships trained (``backbones/``, ``default/``, never edited by hand) and the scripts that made it."""
