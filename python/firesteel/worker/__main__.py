"""Entry point of `python -m firesteel.worker`."""

from firesteel.worker.server import main

if __name__ == "__main__":
    main()
