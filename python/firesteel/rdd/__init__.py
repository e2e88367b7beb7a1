"""RDDs over Spark Connect: relations of bytes, and functions that read and write them."""
