"""Unusual JSON and CSV inputs, each read, written and inferred both by a function and as a file.

`python text_formats.py` runs real Spark (classic PySpark, Java) and records its results in `text_formats.json`; `test_text_formats.py`
compares ours with them."""

import json
import pathlib
import shutil
import sys
import tempfile

ANSWERS = pathlib.Path(__file__).with_suffix(".json")

BAD = ", bad string"
KEEP = {"columnNameOfCorruptRecord": "bad"}
DEEP = ["[" * n + "1" + "]" * n for n in (2, 200, 500, 998, 1000)]
TYPES = ["tinyint", "int", "bigint", "float", "double", "decimal(5,2)", "decimal(20,0)", "string", "boolean", "date", "timestamp", "timestamp_ntz", "binary",
         "interval day to second", "interval year to month", "array<int>", "map<string,int>", "struct<x:int>"]  # fmt: skip
JSON_VALUES = ["1", "-0", "300", "1.5", "1e2", "1E400", "1.255", "123456789012345678901", "01", "1.", ".5", "+1", "0x10", "true", "tru", "null", "NaN", "-Infinity",
               "+INF", "inf", '""', '" "', '"1"', '" 1"', '"1.5"', '"1e2"', '"true"', '"NaN"', '"nan"', '"-INF"', '"Infinity"', '"2024-02-30"', '"2024-02-29"', '"2024-2-9"',
               '"2024-02-29T10:00:00"', '"2024-02-29 10:00:00.1234567Z"', '"2024"', '"aGk="', '"aGk"', '"a*"', "[]", "[1, 2]", '[1,"x"]', "[null]", "[[1]]", "{}", '{"x": 1}',
               '{"x":"y"}', '{"x":1,"x":2}', '"1 days"', '"INTERVAL \'1 02:03:04\' DAY TO SECOND"', '"1,234"', '"1-2"']  # fmt: skip
CSV_VALUES = ["1", "-0", "300", "1.5", "1e2", "1E400", "1.255", "123456789012345678901", "01", "+1", ".5", "1.", "1d", " 1", "1 ", "1,2", "true", "TRUE", "t", "NaN", "nan", "Inf", "-Inf",
              "Infinity", "inf", "+Infinity", "2024-02-30", "2024-02-29", "2024-2-9", "2024-02-29T10:00:00", "2024-02-29 10:00:00.1234567Z", "2024", "null", "1_000", "0x10",
              "INTERVAL '1 02:03:04' DAY TO SECOND", "1-2", "1 02:03:04", "INTERVAL '1-2' YEAR TO MONTH"]  # fmt: skip

# format, schema, options, texts
READ = [
    ("json", "a string" + BAD, KEEP, [
        '{"a":"x"}', "{'a':'x\"y'}", '{"a":"x\ty"}', '{"a":"x\u0001y"}', '{"a":"x\u007fy"}', '\u00a0{"a":"x"}', '\f{"a":"x"}', '\u000b{"a":"x"}', ' \t {"a":"x"} ', "\ufeff{\"a\":\"x\"}", "", " ", "\t",
        '{"a":"x', '{"a":"x"', '{"a":"x"} y', '{"a":"x"}{"a":"y"}', '{"a":"x"}]', '{"a":"x"},', '{"a":"x",}', '{a:"x"}', '{"a":/*c*/"x"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":"\\u00e9\\ud83d\\ude00"}',
        '{"a":"\\ud800"}', '{"a":"\\udc00x"}', '{"a":"\\/\\\'\\b\\f"}', "{'a':'\\''}", '{"a":"\u00e9\U0001f600"}', '{"a":1.50}', '{"a":1E2}', '{"a":-0.0}', '{"a":1e400}', '{"a":01}', '{"a":true}', '{"a":NaN}', '{"a":-INF}',
        '{"a":{"b": 1, "c" : [1 , 2.0]}}', '{"a":[1 , "x\\n"]}', '{"a":null}', '{"a":[null]}', "null", "1", '"x"', "true", "[]", "[1]", '[{"a":"x"}]', '[{"a":"x"},{"a":"y"}]', '[{"a":"x"},1]', '[1,{"a":"x"}]', "[null]", "[[]]",
        '[{"a":"x"}, {"a":"y"}', "nonsense", "{", "}", "{}", "{,}", '{"a"}', '{"a":}', '{"a" : "x"}', '{"a":"x","a":"y"}', '{"a":"x","a":null}', '{"A":"x"}', '{"b":1,"a":"x"}', '{"b":[1,{"a":"z"}],"a":"x"}', '{"b":[1,,2],"a":"x"}', '{"a":"x","b":tru}', '{"a":"x" "b":1}',
        '{"bad":"x","a":"y"}', '{"":"x"}', '{"a":"' + "z" * 100 + '"}', '{"a\\u0062":1,"\\u0061":"q"}', "NaN", "{'a':\"it's\"}", '{"a":+1}', '{"a":-}', '{"a":1}{', '{"a":"x"}\n{"a":"y"}', '{"a":\n"x"}', '{"a":"x\ny"}', '{"a":"x"}\r\n', '{"a":"b\\u0000c"}',
    ]),
    ("json", "b int" + BAD, KEEP, ['{"a":%s,"b":1}' % deep for deep in DEEP]),
    *[("json", f"a {kind}" + BAD, KEEP, ['{"a":%s}' % value for value in JSON_VALUES]) for kind in TYPES],
    ("json", "a int" + BAD, KEEP, ['[{"a":1},{"a":"x"}]', '[{"a":1},{"a":2},[]]', '{"a":1,"a":2}']),
    ("json", "a array<struct<x:int,y:string>>" + BAD, KEEP, ['{"a":[{"x":1,"y":"q"},{"x":"z","y":"r"}]}', '{"a":[1]}', '{"a":{"x":1}}', '{"a":[null,{}]}']),
    ("json", "a map<string,array<int>>" + BAD, KEEP, ['{"a":{"k":[1],"k":[2]}}', '{"a":{"k":[1,"x"],"l":[2]}}', '{"a":{"k":null}}', '{"a":{"k":1}}', '{"a":{"":[1]}}']),
    ("json", "a map<string,int>, b int" + BAD, KEEP, ['{"a":{"x":1,"y":"z"},"b":2}', '{"b":"x","a":{"x":1}}']),
    ("json", "a int, b string" + BAD, KEEP, ['{"a":"x","b":"y"}', '{"a":1,"b":2', '{"b":"y","a":{"c":1}}', '{"b":"y","a":[1,2]}', '{"b":"y","a":1,"c":nope}', '{"b":"y"}']),
    ("json", "a struct<x:int,y:struct<z:int>>" + BAD, KEEP, ['{"a":{"x":1,"y":{"z":"q"}}}', '{"a":{"x":"q","y":{"z":2}}}', '{"a":{"y":null}}', '{"a":[]}', '{"a":"{}"}']),
    ("json", "a date" + BAD, {**KEEP, "dateFormat": "dd/MM/yyyy"}, ['{"a":"29/02/2024"}', '{"a":"2024-02-29"}', '{"a":"30/02/2024"}', '{"a":5}', '{"a":"1/2/2024"}', '{"a":""}']),
    ("json", "a timestamp" + BAD, {**KEEP, "timestampFormat": "yyyy/MM/dd HH:mm"}, ['{"a":"2024/02/29 10:20"}', '{"a":"2024-02-29 10:20:00"}', '{"a":5}', '{"a":5.5}', '{"a":"5"}', '{"a":99999999999999999}']),
    ("json", "a timestamp_ntz" + BAD, {**KEEP, "timestampNTZFormat": "yyyy/MM/dd HH:mm"}, ['{"a":"2024/02/29 10:20"}', '{"a":"2024-02-29 10:20:00"}', '{"a":5}']),
    ("json", "a timestamp" + BAD, {**KEEP, "timeZone": "Asia/Tokyo"}, ['{"a":"2024-02-29 10:20:00"}', '{"a":"2024-02-29 10:20:00Z"}']),
    ("json", "a string" + BAD, {**KEEP, "allowComments": "true"}, ['{"a":/*c*/"x"}', '{"a":"x"} // c', '// c', '{"a":"x//y"}', '/*{"a":"x"}', '# {"a":"x"}']),
    ("json", "a string" + BAD, {**KEEP, "allowSingleQuotes": "false"}, ["{'a':'x'}", '{"a":\'x\'}', '{"a":"x"}']),
    ("json", "a string" + BAD, {**KEEP, "allowUnquotedFieldNames": "true"}, ['{a:"x"}', '{a b:"x"}', '{1a:"x"}', '{$_a:1,a:"x"}', '{a-b:1,"a":"x"}', '{a :"x"}']),
    ("json", "a string" + BAD, {**KEEP, "allowNumericLeadingZeros": "true"}, ['{"a":01}', '{"a":-007}', '{"a":00}', '{"a":00.5}']),
    ("json", "a int" + BAD, {**KEEP, "allowNumericLeadingZeros": "true"}, ['{"a":01}', '{"a":-007}', '{"a":00}', '{"a":00.5}']),
    ("json", "a double" + BAD, {**KEEP, "allowNonNumericNumbers": "false"}, ['{"a":NaN}', '{"a":"NaN"}', '{"a":-Infinity}', '{"a":"Infinity"}', '{"a":1}']),
    ("json", "a string" + BAD, {**KEEP, "allowBackslashEscapingAnyCharacter": "true"}, ['{"a":"\\x\\$"}', '{"a":"\\u12"}', '{"a":"\\\u00e9"}']),
    ("json", "a string" + BAD, {**KEEP, "allowUnquotedControlChars": "true"}, ['{"a":"x\ty"}', '{"a":"x\u0001y"}']),
    ("json", "a int" + BAD, {**KEEP, "primitivesAsString": "true"}, ['{"a":1}']),
    ("json", "a int, b string", {"mode": "FAILFAST"}, ['{"a":1}', '{"a":"x"}', "nonsense", "", '[{"a":1}]']),
    ("json", "a int, b string", {"mode": "DROPMALFORMED"}, ['{"a":1}', '{"a":"x"}', "nonsense"]),
    ("json", "a int, b string", {"mode": "other"}, ['{"a":1}', '{"a":"x"}', "nonsense"]),
    ("json", "a int, b string", {}, ['{"a":1}', '{"a":"x","b":"y"}', "nonsense", "", '{"a":"x"}']),
    ("json", "a int, _corrupt_record string", {}, ['{"a":1}', '{"a":"x"}', "nonsense"]),
    ("json", "a int, bad int", KEEP, ['{"a":1}', '{"a":"x"}']),
    ("json", "a int", {"multiLine": "maybe"}, ['{"a":1}']),
    ("json", "a date", {"dateFormat": "yyyy{"}, ['{"a":"2024-01-01"}']),
    ("json", "a timestamp", {"timestampFormat": "YYYY"}, ['{"a":"2024"}']),
    ("json", "a timestamp", {"timeZone": "Nowhere/Land"}, ['{"a":"2024-01-01"}']),
    ("json", "a int", {"unknownOption": "x"}, ['{"a":1}']),
    ("csv", "a string, b string" + BAD, KEEP, [
        "a,b", "a", "a,b,c", ",", "", " ", '"",', '"a,b",c', '"say \\"hi\\"",x', '"a\\\\",b', '"a\\n",b', '"a""b",c', '"a"b,c', '"a"  ,c', '"a" b,c', 'a"b",c', '1,"open', '"open,1', '1,"open\\', ' a , b ', ' "a" ,b',
        '""",1', '"a\\"', '\\"a,b', 'a\\,b', '"a\\,b",c', '"""",b', "'a,b',c", "a\tb", "#a,b", 'a,"b"c"', 'a,"b" ', "\u00e9,\U0001f600", "a\nb,c", '"a\nb",c', "a\rb,c", '"x",,', 'null,"null"', 'a,"', '"\\\\"",b', '"a\\""', "\u00a0a,b\u00a0", 'a,b\u0000',
    ]),
    ("csv", "a string, b string" + BAD, {**KEEP, "escape": '"'}, ['"a""b",c', '"a"b",c', '"""a""",c', '"a\\"b",c', '""""', '"a"",b']),
    ("csv", "a string, b string" + BAD, {**KEEP, "quote": ""}, ['"a,b"', '"a","b"']),
    ("csv", "a string, b string" + BAD, {**KEEP, "quote": "'"}, ["'a,b',c", "'it\\'s',c", '"a,b"']),
    ("csv", "a string, b string" + BAD, {**KEEP, "sep": "||"}, ["a||b", "a|b||c", "a||b|", '"a||b"||c', "a|||b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "sep": "\\t"}, ["a\tb", "a,b\tc"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "delimiter": ";"}, ["a;b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "delimiter": ";", "sep": "|"}, ["a;b", "a|b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "comment": "#"}, ["#a,b", "a,#b", " #a,b", '"#a",b']),
    ("csv", "a string, b string" + BAD, {**KEEP, "nullValue": "-"}, ["-,b", '"-",b', "- ,b", ',""', "a,-"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "emptyValue": "nil"}, ['"",b', ",b", '" ",b', "nil,b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "nullValue": "", "emptyValue": ""}, ['"",b', ",b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "ignoreLeadingWhiteSpace": "true"}, [" a , b ", ' "a" , b', "  ,b", '" a",b', "\ta,b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "ignoreTrailingWhiteSpace": "true"}, [" a , b ", '"a" , b', '"a ",b', "a\t,b"]),
    ("csv", "a int, b int" + BAD, {**KEEP, "ignoreTrailingWhiteSpace": "true", "ignoreLeadingWhiteSpace": "true"}, [" 1 , 2 ", "1, "]),
    ("csv", "a string, b string" + BAD, {**KEEP, "charToEscapeQuoteEscaping": "\\"}, ['"a\\\\",b', '"a\\\\"b",c']),
    ("csv", "a string, b string" + BAD, {**KEEP, "charToEscapeQuoteEscaping": "$"}, ['"a$\\",b', '"a\\\\",b']),
    ("csv", "a string, b string" + BAD, {**KEEP, "header": "true"}, ["a,b", "x,y"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "sep": ""}, ["a,b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "quote": "ab"}, ["a,b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "escape": "ab"}, ["a,b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "comment": "##"}, ["a,b"]),
    ("csv", "a string, b string" + BAD, {**KEEP, "header": "maybe"}, ["a,b"]),
    *[("csv", f"a {kind}, b string" + BAD, {**KEEP, "sep": "|"}, [f"{value}|x" for value in CSV_VALUES]) for kind in TYPES if "<" not in kind],
    ("csv", "a date, b string" + BAD, {**KEEP, "dateFormat": "dd/MM/yyyy"}, ["29/02/2024,x", "2024-02-29,x", "30/02/2024,x"]),
    ("csv", "a timestamp, b string" + BAD, {**KEEP, "timestampFormat": "yyyy/MM/dd HH:mm"}, ["2024/02/29 10:20,x", "2024-02-29 10:20:00,x"]),
    ("csv", "a double, b string" + BAD, {**KEEP, "nanValue": "nix", "positiveInf": "viel", "negativeInf": "wenig"}, ["nix,x", "viel,x", "wenig,x", "NaN,x", "Infinity,x", "Inf,x"]),
    ("csv", "a array<int>, b string", {}, ["1,x"]),
    ("csv", "a int, b string", {"mode": "FAILFAST"}, ["1,x", "z,x", "1", "1,x,y", ""]),
    ("csv", "a int, b string", {"mode": "DROPMALFORMED"}, ["1,x", "z,x"]),
    ("csv", "a int, b string", {}, ["1,x", "z,x", "1", "1,x,y", "", ","]),
    ("csv", "bad string, a int, b string", KEEP, ["1,x", "z,x", "1", "1,x,y"]),
    ("csv", "a int, bad string, b string", KEEP, ["1,x", "z,x"]),
    ("csv", "a int, bad int", KEEP, ["1,2", "z,2"]),
]  # fmt: skip

# format, options, texts
INFER = [
    ("json", {}, [
        '{"a":1}', '{"a":1.5}', '{"a":1e2}', '{"a":12345678901234567890}', '{"a":' + "9" * 38 + "}", '{"a":' + "9" * 39 + "}", '{"a":-9223372036854775808}', '{"a":true}', '{"a":"x"}', '{"a":""}', '{"a":null}', '{"a":[]}', '{"a":[null]}', '{"a":{}}',
        '{"a":[1,2.5]}', '{"a":[1,"x"]}', '{"a":[1,null]}', '{"a":[1,12345678901234567890]}', '{"a":[12345678901234567890,1.5]}', '{"a":[{"x":1},{"y":"q"}]}', '{"a":[{"x":1},2]}', '{"a":[[1],["x"]]}', '{"a":[[],[1]]}', '{"a":["",1]}', '{"a":NaN}', '{"a":"NaN"}',
        '{"b":1,"a":2}', '{"a":1,"a":"x"}', '{"A":1,"a":2}', '{"":1}', '{"a b":1,"c.d":2}', '{"a`b":1}', '{"a":"2024-02-29"}', '{"a":"2024-02-29T10:00:00"}', "1", '"x"', "null", "[]", "[1]", '[{"a":1},{"b":2}]', "{}", "", " ", "nonsense", "{", '{"a":1}x', '{"a":1} {"b":2}', '{"a":1.0}', '{"a":-0}', '{"a":{"b":{"c":[]}}}', '[{"a":1},2]', "true",
    ]),
    ("json", {"mode": "DROPMALFORMED"}, ["nonsense", '{"a":1}', "1"]),
    ("json", {"mode": "FAILFAST"}, ["nonsense", '{"a":1}', "1"]),
    ("json", {"columnNameOfCorruptRecord": "bad"}, ["nonsense"]),
    ("json", {"primitivesAsString": "true"}, ['{"a":1,"b":true,"c":null,"d":[1],"e":1.5}']),
    ("json", {"prefersDecimal": "true"}, ['{"a":1.25}', '{"a":0.001}', '{"a":"1.5"}', '{"a":"x"}', '{"a":[1,1.5]}', '{"a":[100,0.05]}', '{"a":' + "9" * 30 + '.123456789}', '{"a":1.50}']),
    ("json", {"inferTimestamp": "true"}, ['{"a":"2024-02-29T10:00:00"}', '{"a":"2024-02-29"}', '{"a":"10:00"}', '{"a":"x"}', '{"a":"2024-02-29 10:00:00Z"}', '{"a":""}', '{"a":["2024-02-29T10:00:00","x"]}']),
    ("json", {"inferTimestamp": "true", "timestampFormat": "dd/MM/yyyy"}, ['{"a":"29/02/2024"}', '{"a":"2024-02-29"}']),
    ("json", {"dropFieldIfAllNull": "true"}, ['{"a":null,"b":1}', '{"a":[],"b":{}}', '{"a":[[]]}', '{"a":[null,1]}', '{"a":{"x":null},"b":1}']),
    ("json", {"allowComments": "true"}, ['{"a":/*c*/1}']),
    ("json", {"allowNumericLeadingZeros": "true"}, ['{"a":01}']),
    ("json", {"allowUnquotedFieldNames": "true"}, ["{a:1}"]),
    ("csv", {"inferSchema": "true", "sep": "|"}, [*CSV_VALUES, "1|a|true", " ", "|", '""', "12345678901234567890", "9" * 38, "9" * 39, "2147483648", "1.5|2024-02-29|2024-02-29 10:00:00", "a||b", "-1", "1e400", "2024-02-29T10:00", "2024-02-29 10", "True|FALSE", "2024-02-29T10:00:00+01:00"]),
    ("csv", {"inferSchema": "true", "nullValue": "-"}, ["-,1", "-", ",1"]),
    ("csv", {"inferSchema": "true", "dateFormat": "dd.MM.yyyy"}, ["29.02.2024", "2024-02-29"]),
    ("csv", {"inferSchema": "true", "timestampFormat": "dd.MM.yyyy HH"}, ["29.02.2024 10", "2024-02-29 10:00:00"]),
    ("csv", {"inferSchema": "true", "preferDate": "false"}, ["2024-02-29"]),
    ("csv", {"inferSchema": "true", "nanValue": "nix"}, ["nix", "NaN"]),
    ("csv", {"inferSchema": "true", "header": "true"}, ["a,b"]),
    ("csv", {"inferSchema": "true", "ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}, [" 1 , x"]),
    ("csv", {"inferSchema": "true", "quote": "'"}, ["'1,2',3"]),
]  # fmt: skip

VALUES = [
    "1 a, null b, 'x' c", "cast(1 as tinyint) a, 2S b, 3L c", "1.50BD a, 1e10BD b, cast('0.0000001' as decimal(10,7)) c", "1e10D a, 1.5D b, 0.001D c, 0.0001D d, -0.0D e", "double('NaN') a, double('Infinity') b, -double('Infinity') c", "float('1.1') a, float('NaN') b, 1e20F c, 16777216F d",
    "true a, false b", "'q\"\\\\/\\n\\t\\r\\b' a, '\u0001\u007f\u00e9\u2028\U0001f600' b", "'' a, ' ' b, ' x ' c", "'a,b' a, 'a\"b' b, '\"ab' c, '#x' d, 'a\\nb' e", "X'6869' a, X'' b", "date'2024-02-29' a, date'0001-01-01' b", "date'-0044-03-15' a", "date'12345-01-01' a",
    "timestamp'2024-02-29 10:20:30' a, timestamp'2024-02-29 10:20:30.123456' b, timestamp'0001-01-01 00:00:00' c", "timestamp_ntz'2024-02-29 10:20:30' a, timestamp_ntz'2024-02-29 10:20:30.1' b", "interval '1 02:03:04.5' day to second a, interval '-1-2' year to month b", "interval '5' day a, interval '3' month b, interval '1:30' hour to minute c",
    "make_interval(1, 2, 3, 4, 5, 6, 7.5) a",
    "array(1, null, 3) a, array() b", "map('k', 1, 'l', null) a", "map(1, 'x') a, map(date'2024-02-29', 1.5D) b", "map(timestamp'2024-02-29 10:20:30', 1) a", "map(double('NaN'), 1) a", "named_struct('x', null, 'y', named_struct('z', null)) a", "array(named_struct('x', 1, 'y', null)) a", "array(array(1), null) a", "null a, null b", "cast(null as array<int>) a, 1 b", "1 `a b`, 2 `c\"d`", "cast(null as struct<x:int>) a, cast(null as map<string,int>) b",
]  # fmt: skip

# format, options, lists of expressions
WRITE = [
    ("json", {}, VALUES),
    ("json", {"ignoreNullFields": "false"}, ["1 a, null b, named_struct('x', null) c, map('k', null) d", "array(named_struct('x', null)) a"]),
    ("json", {"dateFormat": "dd/MM/yyyy", "timestampFormat": "yyyy/MM/dd HH:mm", "timestampNTZFormat": "yyyy HH"}, ["date'2024-02-29' a, timestamp'2024-02-29 10:20:30' b, timestamp_ntz'2024-02-29 10:20:30' c", "map(date'2024-02-29', timestamp'2024-02-29 10:20:30') a"]),
    ("json", {"timeZone": "Asia/Tokyo"}, ["timestamp'2024-02-29 10:20:30' a"]),
    ("json", {"timeZone": "Asia/Kathmandu"}, ["timestamp'1900-02-28 10:20:30' a"]),
    ("json", {"writeNonAsciiCharacterAsCodePoint": "true"}, ["'\u00e9\U0001f600' a"]),
    ("json", {"dateFormat": "yyyy{"}, ["date'2024-02-29' a"]),
    ("json", {"timeZone": "Nowhere/Land"}, ["1 a"]),
    ("json", {"ignoreNullFields": "maybe"}, ["1 a"]),
    ("csv", {}, VALUES),
    ("csv", {"quoteAll": "true"}, ["1 a, 'x' b, null c, '' d"]),
    ("csv", {"escapeQuotes": "false"}, ["'a\"b' a, '\"ab' b, 'a,\"b' c"]),
    ("csv", {"nullValue": "-", "emptyValue": "nil"}, ["null a, '' b, '-' c"]),
    ("csv", {"sep": "||"}, ["'a|b' a, 'c||d' b, 1 c"]),
    ("csv", {"sep": ";", "quote": "'"}, ["'a;b' a, 'it\\'s' b, 'a\"b' c"]),
    ("csv", {"quote": ""}, ["'a,b' a, 'x\"y' b"]),
    ("csv", {"escape": '"'}, ["'a\"b' a, 'a\\\\b' b, 'a\\\\\"b' c"]),
    ("csv", {}, ["'a\\\\b' a, 'a\\\\\"b' b, 'a\\\\,b' c"]),
    ("csv", {"charToEscapeQuoteEscaping": "$"}, ["'a\\\\\"b' a"]),
    ("csv", {"ignoreLeadingWhiteSpace": "false", "ignoreTrailingWhiteSpace": "false"}, ["' x ' a, ' ' b"]),
    ("csv", {"comment": "#"}, ["'#a' a, '#b' b", "'a' a, '#b' b"]),
    ("csv", {"dateFormat": "dd/MM/yyyy", "timestampFormat": "yyyy/MM/dd HH:mm", "timestampNTZFormat": "yyyy HH"}, ["date'2024-02-29' a, timestamp'2024-02-29 10:20:30' b, timestamp_ntz'2024-02-29 10:20:30' c"]),
    ("csv", {"timeZone": "Asia/Tokyo"}, ["timestamp'2024-02-29 10:20:30' a"]),
    ("csv", {"header": "true"}, ["1 a"]),
    ("csv", {"lineSep": "\n"}, ["'a\\nb' a"]),
    ("csv", {"nanValue": "nix", "positiveInf": "viel"}, ["double('NaN') a, double('Infinity') b"]),
]  # fmt: skip

# Expressions over the string column `v`.
LOOK = [
    ("get_json_object(v, '$.a')", ['{"a":"x"}', "{'a':'x'}", '{"a":1.50}', '{"a":1E2}', '{"a":{"b": 1 , "c":[1, "q"]}}', '{"a":null}', '{"a":[null, 1]}', '{"a":"x', '{"a":"x"} y', '{"a":"x"', '{"a":"q","a":"r"}', '{"a":null,"a":"r"}', '{"a":"x\ty"}', '{"a":"\\u00e9\\n"}', '{"a":01}', '{"a":NaN}', '{"a":true}',
        '[{"a":1}]', "nonsense", "", '{"b":nope,"a":1}', '{"a":1,"b":nope}', '{"a":"\u00e9\U0001f600\u0001"}', '{"a":{"k":"\u00e9\\u0001/"}}', '{"a":' + DEEP[0] + "}", '{"a":{"b":1.0,"b":2}}', '{"a":""}', '{"a":12345678901234567890123}', '{"a":1e400}', '{"a":[1.0,-0.0,1e5,1.50]}']),
    *[(f"from_json(v, '{kind}')", ['[1,2]', '[1,"x"]', "1", "null", "", "nonsense", '{"a":1}', '[{"a":1},{"a":"x"}]', '[{"a":1},null]', "[null]", "[]", "{}", '{"a":{"a":1}}', '{"a":"x"}', "[[1],2]", "[1] x", "[[1]]", '{"a":1,"a":2}', "[1,2", '{"a":{"a":"x"}}'])
      for kind in ("array<int>", "array<struct<a:int,b:string>>", "map<string,int>", "array<array<int>>", "map<string,struct<a:int>>")],
    ("to_json(map(cast(v as decimal(5,2)), 1))", ["1.5"]),
    ("to_json(named_struct('a', cast(v as decimal(20,10)), 'b', cast(v as decimal(38,18))))", ["0", "0.00000012", "12.5", "0.0000001"]),
    ("to_csv(named_struct('a', map('k', cast(v as date))), map('dateFormat', 'dd/MM'))", ["2024-01-01"]),
    ("get_json_object(v, '$.a.b')", ['{"a":{"b":1}}', '{"a":[{"b":1},{"b":2}]}', '{"a":[{"b":1}]}', '{"a":1}']),
    ("get_json_object(v, '$[0].a')", ['[{"a":1},{"a":2}]', '{"a":1}', "[]"]),
    ("get_json_object(v, '$[*].a')", ['[{"a":1},{"a":"x"}]', '[{"a":"x"}]', '[{"b":1}]', '[{"a":[1,2]},{"a":[3]}]', '[]']),
    ("get_json_object(v, '$.a[*]')", ['{"a":[1,2]}', '{"a":["x"]}', '{"a":[]}', '{"a":[[1],[2]]}', '{"a":1}', '{"a":[null]}']),
    ("get_json_object(v, '$.a[*].b[*]')", ['{"a":[{"b":[1,2]},{"b":[3]}]}', '{"a":[{"b":[1]}]}']),
    ("get_json_object(v, '$.a[*][*]')", ['{"a":[[1,2],[3]]}']),
    ("get_json_object(v, '$.*')", ['{"a":1,"b":"x"}', '{"a":"x"}', "[1]"]),
    ("get_json_object(v, '$')", ['{"a": 1 }', "[1, 2]", "1", '"x"', "null", " "]),
    ("get_json_object(v, '$[''a b'']')", ['{"a b":1}']),
    ("get_json_object(v, '$.a b')", ['{"a b":1}']),
    ("get_json_object(v, 'a')", ['{"a":1}']),
    ("get_json_object(v, '$a')", ['{"a":1}']),
    ("get_json_object(v, '$.a[-1]')", ['{"a":[1]}']),
    ("get_json_object(v, '$..a')", ['{"a":1}']),
    ("get_json_object(v, '$.')", ['{"a":1,"":2}']),
    ("json_array_length(v)", ["[1,2]", "[]", "{}", "nonsense", "[1", "[1] x", "null", "", "[[1,2],{}]", "[1,,2]", "['a']"]),
    ("json_object_keys(v)", ['{"b":1,"a":2}', "{}", "[]", "nonsense", '{"a":1', '{"a":1} x', '{"a":1,"a":2}', "", '{"a":{"b":1}}', "null"]),
]  # fmt: skip
TUPLES = ['{"a":"x","b":1.50}', "{'a':{\"q\": 1 }}", '{"a":null}', "nonsense", '{"a":"x"', '{"a":"x","a":"y"}', "[1]", "", '{"a":"x"} y', '{"a.b":1,"a":{"b":2}}', '{"a":"\\u00e9","b":[1, "x"]}', '{"A":1}', '[{"a":1}]', '{"a":NaN,"b":1e2}', '{"a":""}', '{"a":1,"b":nope}']


def options_text(options):
    if not options:
        return ""
    quote = lambda text: "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return ", map(" + ", ".join(f"{quote(k)}, {quote(v)}" for k, v in options.items()) + ")"


def attempt(call):
    """The result of the call, or its error as `!` with the condition, if there is one."""
    try:
        return call()
    except Exception as error:
        condition = getattr(error, "getCondition", lambda: None)()
        return f"! {condition}" if condition else "!"


def texts(frame):
    return [row[0] for row in frame.collect()]


def computed(spark, expression, inputs):
    """The values of an expression over each string as `v`: in one query, or one query each if that fails."""
    def query(chosen):
        frame = spark.createDataFrame(list(enumerate(chosen)), "i int, v string")
        return [[row[1]] for row in sorted(frame.selectExpr("i", expression).collect())]

    together = attempt(lambda: query(inputs))
    return together if isinstance(together, list) else [attempt(lambda: query([text])[0]) for text in inputs]


def read(spark, directory, kind, schema, options, inputs):
    path = directory / f"in.{kind}"

    def file(text):
        path.write_text(text, newline="")
        found = spark.read.schema(schema).options(**options).format(kind).load(str(path))
        return texts(found.selectExpr("cast(struct(*) as string)"))

    functions = computed(spark, f"cast(from_{kind}(v, '{schema}'{options_text(options)}) as string)", inputs)
    return [(function, attempt(lambda: file(text))) for function, text in zip(functions, inputs)]


def infer(spark, directory, kind, options, inputs):
    path = directory / f"in.{kind}"

    def both(text):
        quoted = text.replace("\\", "\\\\").replace("'", "\\'")
        path.write_text(text, newline="")
        function = attempt(lambda: texts(spark.sql(f"select schema_of_{kind}('{quoted}'{options_text(options)})"))[0])
        return function, attempt(lambda: spark.read.options(**options).format(kind).load(str(path)).schema.simpleString())

    return [both(text) for text in inputs]


def write(spark, directory, kind, options, inputs):
    def file(values):
        path = directory / "out"
        shutil.rmtree(path, ignore_errors=True)
        spark.sql(f"select {values}").coalesce(1).write.options(**options).format(kind).save(str(path))
        return "".join(part.read_bytes().decode() for part in sorted(path.glob("part-*")))

    def both(values):
        query = f"select to_{kind}(struct(*){options_text(options)}) from (select {values})"
        return attempt(lambda: texts(spark.sql(query))[0]), attempt(lambda: file(values))

    return [both(values) for values in inputs]


def look(spark, _, expression, inputs):
    return computed(spark, f"cast({expression} as string)", inputs)


def fields(spark, _, names, inputs):
    def found(text):
        frame = spark.createDataFrame([(text,)], "v string")
        return attempt(lambda: [list(row) for row in frame.selectExpr(f"json_tuple(v, {names})").collect()])

    return [found(text) for text in inputs]


def groups():
    """Test groups: name, inputs, and the function that runs them, with its arguments."""
    found = {}

    def add(name, inputs, *asked):
        found.setdefault(name, ([], asked))[0].extend(inputs)

    def shown(options):
        return ", ".join(f"{key}={value}" for key, value in options.items())

    for kind, schema, options, inputs in READ:
        add(f"read {kind} as {schema} with {shown(options)}", inputs, read, kind, schema, options)
    for kind, options, inputs in INFER:
        add(f"infer {kind} with {shown(options)}", inputs, infer, kind, options)
    for kind, options, inputs in WRITE:
        add(f"write {kind} with {shown(options)}", inputs, write, kind, options)
    for expression, inputs in LOOK:
        add(expression, inputs, look, expression)
    add("json_tuple(v, 'a', 'b', 'a.b')", TUPLES, fields, "'a', 'b', 'a.b'")
    return [(name, inputs, asked) for name, (inputs, asked) in found.items()]


def answers(spark, directory, inputs, run, *arguments):
    """Results of function and file for every input, or one if they are equal; `~` if both report it only as a malformed record."""
    def short(text, found):
        lost = ([f"{{null, {text}}}"], [f"{{null, x, {text}}}"])
        if isinstance(found, tuple) and found[0] == found[1]:
            return "~" if found[0] in lost else found[0]
        return list(found) if isinstance(found, tuple) else found

    return [short(text, found) for text, found in zip(inputs, run(spark, directory, *arguments, inputs))]


def main():
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").config("spark.sql.session.timeZone", "UTC")
    builder = builder.config("spark.sql.codegen.wholeStage", "false").config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    lines = []
    with tempfile.TemporaryDirectory() as directory:
        for group, inputs, (run, *arguments) in groups():
            found = answers(spark, pathlib.Path(directory), inputs, run, *arguments)
            lines.append(f"{json.dumps(group)}: {json.dumps(found)}")
    ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    sys.exit(main())
