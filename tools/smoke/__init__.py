"""What a user installs: wheels and sdists, built here and tried in empty environments."""
