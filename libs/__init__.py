"""Code shared by more than one service; never imports a service."""
