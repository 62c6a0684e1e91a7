#!/usr/bin/env python3
"""Writes internal/sqlref/testdata/generated.sql: statements of a small grammar
of Trino, the same at every run. Names of WITH and of tables are drawn from the
same few words, so that they often shadow each other.
"""

import pathlib
import random

OUT = pathlib.Path(__file__).resolve().parents[2] / "internal/sqlref/testdata/generated.sql"
WORDS = ["orders", "users", "clicks", "daily", "costs", "dim_day", "t1", "Fact"]
DATABASES = ["sales", "web", '"raw-zone"', "Lake"]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)

    def pick(self, *choices):
        return self.r.choice(choices)

    def maybe(self, text, p=0.3):
        return text() if self.r.random() < p else ""

    def word(self):
        w = self.r.choice(WORDS)
        return self.pick(w, w, w, w.upper(), f'"{w}"')

    def table(self):
        kind = self.r.random()
        if kind < 0.45:
            return self.word()
        if kind < 0.85:
            return f"{self.r.choice(DATABASES)}.{self.word()}"
        if kind < 0.93:
            return f"{self.pick('awsdatacatalog', 'AwsDataCatalog', 'hive_ext')}.{self.r.choice(DATABASES)}.{self.word()}"
        return f"{self.r.choice(DATABASES)}.\"{self.r.choice(WORDS)}${self.pick('partitions', 'files', 'history')}\""

    def literal(self):
        return self.pick("1", "-2.5", "'from t2'", "'it''s -- no'", "DATE '2024-01-31'", "TRUE", "NULL", "INTERVAL '3' DAY")

    def expr(self, d):
        k = self.r.randrange(16)
        if d <= 0 or k < 4:
            return self.pick("a", "b.c", '"x"', self.literal(), "count(*)", "p.q")
        e = lambda: self.expr(d - 1)
        return [
            lambda: f"EXTRACT(YEAR FROM {e()})",
            lambda: f"TRIM(BOTH ' ' FROM {e()})",
            lambda: f"SUBSTRING({e()} FROM 2)",
            lambda: f"CAST({e()} AS varchar)",
            lambda: f"CASE WHEN {e()} = {e()} THEN {e()} ELSE {e()} END",
            lambda: f"(SELECT max(a) FROM {self.relation(d - 1)})",
            lambda: f"coalesce({e()}, {e()})",
            lambda: f"({e()} + {e()})",
            lambda: f"transform(xs, v -> v + {e()})",
            lambda: f"sum({e()}) OVER (PARTITION BY {e()} ORDER BY a)",
            lambda: f"ARRAY[{e()}, {e()}]",
            lambda: f"f({e()})",
        ][k - 4]()

    def cond(self, d):
        e = lambda: self.expr(d - 1)
        return self.pick(
            lambda: f"a = {e()}",
            lambda: f"a IS DISTINCT FROM {e()}",
            lambda: f"a IS NOT DISTINCT FROM {e()} AND b BETWEEN 1 AND 2",
            lambda: f"a IN ({self.query(d - 1)})" if d > 0 else "a IN (1, 2, 3)",
            lambda: f"EXISTS ({self.query(d - 1)})" if d > 0 else "a LIKE 'x%'",
            lambda: f"NOT (a > {e()} OR b IN ('from', 'join'))",
            lambda: f"({e()}, b) IN (({e()}, 1), (2, {e()}))",
            lambda: f"a > ALL ({self.query(d - 1)})" if d > 0 else "a IS NULL",
        )()

    def relation(self, d):
        alias = self.maybe(lambda: " " + self.pick("AS x", "y", "AS z (a, b)"), 0.6)
        k = self.r.random()
        if d <= 0 or k < 0.5:
            return self.table() + self.maybe(lambda: " FOR TIMESTAMP AS OF TIMESTAMP '2024-01-01 00:00:00'", 0.06) + alias
        if k < 0.72:
            return f"({self.query(d - 1)})" + (alias or " s")
        if k < 0.80:
            return f"({self.relation(d - 1)} {self.join(d - 1)})"
        if k < 0.88:
            return f"{self.table()} CROSS JOIN UNNEST(xs, ys) WITH ORDINALITY AS u (e, f, n)"
        if k < 0.94:
            return f"{self.table()} l CROSS JOIN LATERAL ({self.query(d - 1)}) v"
        return self.pick(
            "(VALUES (1, 'a'), (2, 'from b')) AS w (n, s)",
            f"{self.table()} TABLESAMPLE BERNOULLI (10)",
            f"{self.table()} FOR VERSION AS OF 12345 AS tt",
            f"{self.table()} MATCH_RECOGNIZE (PARTITION BY a ORDER BY b MEASURES A.x AS ax PATTERN (A B+) DEFINE B AS B.x > PREV(B.x)) m",
            f"(({self.table()}))",
            f"(TABLE {self.table()}) q",
            f"(({self.query(d - 1)}) UNION ALL ({self.query(d - 1)})) q",
        )

    def join(self, d):
        kind = self.pick("JOIN", "LEFT JOIN", "RIGHT OUTER JOIN", "FULL JOIN", "INNER JOIN")
        return self.pick(
            lambda: f"{kind} {self.relation(d)} ON {self.cond(d)}",
            lambda: f"{kind} {self.relation(d)} USING (id, day)",
            lambda: f"CROSS JOIN {self.relation(d)}",
        )()

    def select(self, d):
        columns = ", ".join(self.expr(d) + self.maybe(lambda: self.pick(" AS c", ' "from"', " d"), 0.4) for _ in range(self.r.randint(1, 3)))
        sql = f"SELECT {self.maybe(lambda: 'DISTINCT ', 0.15)}{columns} FROM {self.relation(d)}"
        for _ in range(self.r.choice([0, 0, 1, 1, 2])):
            sql += " " + self.join(d - 1)
        sql += self.maybe(lambda: f", {self.relation(d - 1)}", 0.2)
        sql += self.maybe(lambda: f" WHERE {self.cond(d)}", 0.5)
        sql += self.maybe(lambda: self.pick(" GROUP BY 1, 2", " GROUP BY a, GROUPING SETS ((a, b), ())", " GROUP BY CUBE (a, b)"), 0.2)
        sql += self.maybe(lambda: f" HAVING count(*) > 1 AND {self.cond(d - 1)}", 0.1)
        return sql

    def query(self, d):
        body = self.select(d)
        while self.r.random() < 0.15:
            other = self.select(d - 1)
            body += f" {self.pick('UNION ALL', 'UNION', 'EXCEPT', 'INTERSECT')} " + self.pick(other, f"({other})")
        body += self.maybe(lambda: " ORDER BY 1 DESC, a", 0.2) + self.maybe(lambda: " LIMIT 10", 0.2)
        if d > 0 and self.r.random() < 0.35:
            names = self.r.sample(WORDS, self.r.randint(1, 3))
            ctes = ", ".join(
                f"{n}{self.maybe(lambda: ' (a, b)', 0.2)} AS ({self.query(d - 1)})" for n in names
            )
            body = f"WITH {self.maybe(lambda: 'RECURSIVE ', 0.15)}{ctes} {body}"
        return body

    def statement(self):
        d = self.r.choice([1, 2, 2, 3])
        k = self.r.randrange(20)
        q = self.query(d)
        if k < 11:
            return q
        return [
            lambda: f"INSERT INTO {self.table()} {q}",
            lambda: f"INSERT INTO {self.table()} (a, b) {q}",
            lambda: f"CREATE TABLE {self.table()} WITH (format = 'PARQUET', partitioned_by = ARRAY['d']) AS {q}",
            lambda: f"CREATE OR REPLACE VIEW {self.table()} AS {q}",
            lambda: f"UNLOAD ({q}) TO 's3://bucket/from/x/' WITH (format = 'JSON')",
            lambda: f"EXPLAIN {self.pick('', 'ANALYZE ')}{q}",
            lambda: f"DELETE FROM {self.table()} WHERE a IN ({q})",
            lambda: f"MERGE INTO {self.table()} t USING ({q}) s ON t.a = s.a WHEN MATCHED THEN UPDATE SET a = s.a, b = 2 WHEN NOT MATCHED THEN INSERT (a, b) VALUES (s.a, s.b)",
            lambda: f"PREPARE p1 FROM {q}",
        ][k - 11]()


def main():
    g = Generator(20240131)
    out = ["-- Written by scripts/sqlref-oracle/generate.py."]
    out += [g.statement() + ";" for _ in range(400)]
    OUT.write_text("\n".join(out) + "\n")


if __name__ == "__main__":
    main()
