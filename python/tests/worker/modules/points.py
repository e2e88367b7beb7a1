"""A user-defined type, as a module of a program."""

from pyspark.sql.types import ArrayType, IntegerType, UserDefinedType


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


class PointType(UserDefinedType):
    @classmethod
    def sqlType(cls):
        return ArrayType(IntegerType(), False)

    @classmethod
    def module(cls):
        return "points"

    def serialize(self, point):
        return [point.x, point.y]

    def deserialize(self, stored):
        return Point(*stored)


Point.__UDT__ = PointType()
