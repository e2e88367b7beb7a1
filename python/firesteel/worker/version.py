"""The installed PySpark, for the few rules of 3.5 that programs see and that 4.x has changed."""

import pyspark

IS_3_5 = pyspark.__version__.startswith("3.")
