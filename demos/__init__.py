"""Two demonstrations: `demos/prove.sh` and `demos/survive.sh`."""
