"""`python -m stanchion.cli`."""

from stanchion.cli import main

if __name__ == "__main__":
    main()
