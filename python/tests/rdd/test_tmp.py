def test_first(sc):
    r = sc.parallelize(range(10),3)
    print(r.glom().collect())
    p = r.map(lambda x:(x%3,x)); print(p.glom().collect())
    print(p.partitionBy(2).glom().collect())
    print(p.combineByKey(lambda x:x, lambda a,b:a+b, lambda a,b: a+b).glom().collect())
    assert 0
