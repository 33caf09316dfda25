"""What python-tds makes of the server: parameters, NULLs, large values, transactions, errors."""
import sys
import uuid

import pytds

host, port, user, password, database = sys.argv[1:]
kind = dict(server=host, port=int(port), user=user, password=password, database=database)
with pytds.connect(**kind) as db:
    with db.cursor() as c:
        c.execute("CREATE TABLE t (k int PRIMARY KEY, s nvarchar(max), b varbinary(max), g uniqueidentifier)")
        big, blob, key = "Grüße " * 5000, bytes(range(256)) * 100, uuid.uuid4()
        c.execute("INSERT t VALUES (%s, %s, %s, %s)", (1, big, pytds.Binary(blob), key))
        c.execute("INSERT t VALUES (%s, %s, %s, %s)", (2, None, None, None))
        db.commit()
        c.execute("SELECT s, b, g FROM t ORDER BY k")
        rows = c.fetchall()
        assert rows == [(big, blob, key), (None, None, None)], rows
        c.execute("DELETE FROM t")
        db.rollback()
        c.execute("SELECT COUNT(*) FROM t WHERE s = %s", (big,))
        assert c.fetchone() == (1,)
        try:
            c.execute("SELECT * FROM Nothing")
            raise AssertionError("no error")
        except pytds.ProgrammingError as e:
            assert e.number == 208, e
try:
    pytds.connect(**dict(kind, password="wrong"))
    raise AssertionError("no error")
except pytds.DatabaseError as e:
    assert "Login failed" in str(e), e
print("ok")
