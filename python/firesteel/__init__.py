"""What Firesteel adds to stock PySpark, so that an ordinary program runs unchanged."""
