"""Firesteel's additions to stock PySpark, so that ordinary programs run unchanged."""
