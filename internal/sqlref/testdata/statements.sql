-- Statements written for athenatrail, with every construct that hides a table
-- or looks like one. sqlglot judges those that it parses; what it does not
-- parse is in the tests.

-- names
SELECT * FROM orders;
SELECT * FROM sales.orders;
SELECT * FROM awsdatacatalog.sales.orders;
SELECT * FROM AwsDataCatalog.Sales.ORDERS;
SELECT * FROM "awsdatacatalog"."sales"."orders";
SELECT * FROM "sales"."orders" o;
SELECT * FROM "Sales Data"."Orders 2024";
SELECT * FROM "with ""quotes""".t;
SELECT * FROM "a.b"."c.d";
SELECT * FROM `sales`.`orders`;
SELECT * FROM "lambda:redis_connector".cache.keys;
SELECT * FROM "s3tablescatalog/warehouse"."ns"."events";
SELECT * FROM mysql_prod.crm.customers c JOIN sales.orders o ON c.id = o.customer_id;
SELECT * FROM "sales"."orders$partitions";
SELECT * FROM "orders$files";
SELECT * FROM sales."orders$snapshots" s JOIN sales.orders o ON o.v = s.v;
SELECT * FROM "price$usd";
SELECT * FROM information_schema.tables WHERE table_schema = 'sales';
SELECT * FROM sales . orders;
SELECT * FROM sales -- the database
  . orders;
SELECT * FROM "été"."commandes";
SELECT * FROM t_1$x;
SELECT "$path", "$file_size" FROM sales.orders;

-- select list and aliases
SELECT from_unixtime(ts), select_count, join_date FROM events;
SELECT a AS "from", b "join", c AS "where" FROM t;
SELECT o.from_date FROM orders o;
SELECT t.* FROM sales.t AS t;
SELECT count(*) FILTER (WHERE x > 1) FROM t;
SELECT 'SELECT * FROM secret' FROM t;
SELECT 'it''s FROM nowhere', a FROM t;
SELECT a /* FROM hidden */ FROM t -- JOIN hidden2
;
SELECT 1;
SELECT now();
SELECT current_date, current_timestamp;
SELECT DISTINCT a FROM t;
SELECT ALL a FROM t;
SELECT a, (SELECT max(b) FROM u) m FROM t;
SELECT CASE WHEN EXISTS (SELECT 1 FROM u WHERE u.id = t.id) THEN 1 ELSE 0 END FROM t;
SELECT ROW(1, 'a'), MAP(ARRAY['x'], ARRAY[1]) FROM t;
SELECT CAST(ROW(1, 2.0) AS ROW(x BIGINT, y DOUBLE)) FROM t;
SELECT x -> 'from' FROM t;
SELECT filter(xs, x -> x > (SELECT avg(y) FROM u)) FROM t;
SELECT reduce(xs, 0, (s, x) -> s + x, s -> s) FROM t;
SELECT xs[1], m['from'] FROM t;
SELECT a FROM t WHERE b = ? AND c IN (?, ?);

-- FROM that is no FROM
SELECT EXTRACT(YEAR FROM order_date) FROM orders;
SELECT EXTRACT(DOW FROM o.order_date), EXTRACT(HOUR FROM (SELECT max(ts) FROM clicks)) FROM orders o;
SELECT TRIM(BOTH FROM name) FROM users;
SELECT TRIM(LEADING 'x' FROM name), TRIM(TRAILING FROM name), TRIM('x' FROM name) FROM users;
SELECT SUBSTRING(name FROM 2 FOR 3) FROM users;
SELECT POSITION('a' IN name) FROM users;
SELECT a IS DISTINCT FROM b FROM t;
SELECT a IS NOT DISTINCT FROM b AS same FROM t;
SELECT * FROM t WHERE a IS DISTINCT FROM b AND c IN (SELECT d FROM u);
SELECT CASE WHEN a IS DISTINCT FROM b THEN 1 END FROM t JOIN u ON t.x IS NOT DISTINCT FROM u.x, v;
SELECT OVERLAY(a PLACING b FROM 3) FROM t;

-- joins
SELECT * FROM a, b;
SELECT * FROM a, b x, c AS y WHERE a.i = x.i;
SELECT * FROM a JOIN b ON a.i = b.i JOIN c USING (i);
SELECT * FROM a JOIN b ON a.i = b.i, c;
SELECT * FROM a LEFT OUTER JOIN b ON a.i = b.i AND b.x IN (1, 2), d WHERE a.z = 1;
SELECT * FROM a CROSS JOIN b;
SELECT * FROM a NATURAL JOIN b;
SELECT * FROM a FULL OUTER JOIN b ON true;
SELECT * FROM (a JOIN b ON a.i = b.i);
SELECT * FROM ((a JOIN b ON a.i = b.i) JOIN c ON b.j = c.j) JOIN d ON true;
SELECT * FROM a JOIN (b CROSS JOIN c) ON a.i = c.i;
SELECT * FROM (a);
SELECT * FROM ((a));
SELECT * FROM (a x CROSS JOIN b y), c;
SELECT * FROM a JOIN b ON a.i = (SELECT max(i) FROM c) JOIN d ON true;
SELECT * FROM a AS x (c1, c2) JOIN b AS y (c1, c2) ON x.c1 = y.c1;
SELECT * FROM a JOIN b ON f(a.x, b.y) = 1, c;
SELECT * FROM a JOIN b ON a.d BETWEEN b.x AND b.y, c;
SELECT * FROM a JOIN b ON a.x = ARRAY[b.y, b.z][1], c;
SELECT * FROM a JOIN b ON CASE WHEN a.x = b.x THEN a.y ELSE b.y END > 1 JOIN c ON true, d;
SELECT * FROM t a INNER JOIN t b ON a.id = b.parent;

-- subqueries
SELECT * FROM (SELECT * FROM t) x;
SELECT * FROM (SELECT * FROM (SELECT * FROM t) y) x;
SELECT * FROM ((SELECT * FROM t)) x;
SELECT * FROM (((SELECT a FROM t) UNION ALL (SELECT a FROM u))) x;
SELECT * FROM t WHERE a IN (SELECT a FROM u);
SELECT * FROM t WHERE a NOT IN (SELECT a FROM u WHERE b > ALL (SELECT c FROM v));
SELECT * FROM t WHERE EXISTS (SELECT 1 FROM u, v);
SELECT * FROM t WHERE (a, b) IN (SELECT a, b FROM u);
SELECT * FROM t WHERE a > (SELECT avg(a) FROM u) ORDER BY (SELECT max(a) FROM v);
SELECT * FROM t GROUP BY a HAVING count(*) > (SELECT 5 FROM u);
SELECT a FROM t ORDER BY a OFFSET 5 LIMIT 10;
SELECT a FROM t ORDER BY a FETCH FIRST 5 ROWS ONLY;
SELECT a FROM t FETCH FIRST 5 ROWS WITH TIES;
SELECT a FROM t LIMIT ALL;
(SELECT a FROM t);
((SELECT a FROM t));
(SELECT a FROM t) UNION (SELECT a FROM u) ORDER BY a;

-- set operations
SELECT a FROM t UNION SELECT a FROM u;
SELECT a FROM t UNION ALL SELECT a FROM u UNION DISTINCT SELECT a FROM v;
SELECT a FROM t INTERSECT SELECT a FROM u EXCEPT SELECT a FROM v;
SELECT a FROM t WHERE b IN (SELECT b FROM w) UNION ALL SELECT a FROM u WHERE c = 1;
SELECT a FROM t GROUP BY a UNION SELECT a FROM u;
TABLE orders;
SELECT * FROM (TABLE orders) o;
TABLE a UNION ALL TABLE b;

-- VALUES
SELECT * FROM (VALUES (1, 2), (3, 4)) AS v (a, b);
SELECT * FROM t WHERE a IN (VALUES 1, 2);
SELECT * FROM (VALUES (1, (SELECT max(a) FROM t))) v (a, b);

-- UNNEST, LATERAL and table functions
SELECT * FROM t CROSS JOIN UNNEST(t.xs) AS u (x);
SELECT * FROM t, UNNEST(t.xs) WITH ORDINALITY AS u (x, n), v;
SELECT * FROM t LEFT JOIN UNNEST(xs) u (x) ON true;
SELECT * FROM UNNEST(ARRAY[1, 2]) AS u (x);
SELECT * FROM t CROSS JOIN UNNEST((SELECT array_agg(a) FROM v)) AS u (x);
SELECT * FROM t CROSS JOIN LATERAL (SELECT * FROM u WHERE u.id = t.id) x;
SELECT * FROM t, LATERAL (SELECT t.a + 1) x, v;
SELECT * FROM t CROSS JOIN unnest(sequence(1, 10)) AS s (n) JOIN u ON true;
SELECT * FROM TABLE(sequence(start => 1, stop => 10));
SELECT * FROM TABLE(system.query(query => 'SELECT * FROM hidden')) q JOIN t ON true;

-- TABLESAMPLE, time travel, MATCH_RECOGNIZE, windows
SELECT * FROM t TABLESAMPLE BERNOULLI (10);
SELECT * FROM t TABLESAMPLE SYSTEM (10), u;
SELECT * FROM sales.orders FOR TIMESTAMP AS OF TIMESTAMP '2024-01-01 00:00:00 UTC';
SELECT * FROM sales.orders FOR VERSION AS OF 949530903748831860 o JOIN u ON true;
SELECT * FROM sales.orders FOR TIMESTAMP AS OF (current_timestamp - INTERVAL '1' DAY), u;
SELECT * FROM t MATCH_RECOGNIZE (PARTITION BY a ORDER BY b MEASURES A.x AS ax ONE ROW PER MATCH PATTERN (A B+) DEFINE B AS B.x > PREV(B.x)) m;
SELECT sum(a) OVER (PARTITION BY b ORDER BY c ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM t;
SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY b);
SELECT a FROM t GROUP BY GROUPING SETS ((a), (b), ());
SELECT a FROM t GROUP BY CUBE (a, b);
SELECT listagg(a, ',') WITHIN GROUP (ORDER BY a) FROM t;
SELECT TIMESTAMP '2024-01-01 00:00:00' AT TIME ZONE 'UTC' FROM t;

-- WITH
WITH x AS (SELECT * FROM t) SELECT * FROM x;
WITH x AS (SELECT * FROM t), y AS (SELECT * FROM x JOIN u ON true) SELECT * FROM y;
WITH x (a, b) AS (SELECT 1, 2 FROM t) SELECT * FROM x;
WITH t AS (SELECT * FROM t) SELECT * FROM t;
WITH t AS (SELECT * FROM sales.t) SELECT * FROM t;
WITH x AS (SELECT * FROM t) SELECT * FROM sales.x;
WITH x AS (SELECT * FROM t) SELECT * FROM "X";
WITH "My Query" AS (SELECT * FROM t) SELECT * FROM "my query";
WITH X AS (SELECT * FROM t) SELECT * FROM x JOIN awsdatacatalog.sales.x USING (a);
WITH y AS (SELECT * FROM x), x AS (SELECT * FROM t) SELECT * FROM x, y;
WITH x AS (WITH z AS (SELECT * FROM t) SELECT * FROM z) SELECT * FROM x, z;
WITH x AS (SELECT * FROM t) SELECT * FROM (WITH x AS (SELECT * FROM u) SELECT * FROM x) s, x;
WITH x AS (SELECT * FROM t) SELECT * FROM u WHERE a IN (SELECT a FROM x);
WITH x AS (SELECT * FROM t) SELECT * FROM u WHERE a IN (WITH v AS (SELECT * FROM x) SELECT a FROM v);
SELECT * FROM (WITH x AS (SELECT * FROM t) SELECT * FROM x) s, x;
SELECT * FROM a WHERE EXISTS (WITH x AS (SELECT * FROM t) SELECT 1 FROM x) AND b IN (SELECT b FROM x);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) SELECT * FROM n;
WITH RECURSIVE tree (id) AS (SELECT id FROM nodes WHERE parent IS NULL UNION ALL SELECT c.id FROM nodes c JOIN tree p ON c.parent = p.id) SELECT * FROM tree JOIN leaves USING (id);
WITH RECURSIVE a (i) AS (SELECT 1 UNION ALL SELECT i FROM a), b AS (SELECT * FROM c) SELECT * FROM b;
WITH x AS (SELECT * FROM t) (SELECT * FROM x) UNION ALL SELECT * FROM x;
WITH x AS (SELECT 1) SELECT * FROM x UNION ALL SELECT * FROM t;
WITH x AS (SELECT a FROM t UNION SELECT a FROM u) SELECT * FROM x, x y;
WITH x AS (VALUES (1)) SELECT * FROM x;
WITH x AS (TABLE t) SELECT * FROM x;
WITH a AS (SELECT 1 FROM t), b AS (SELECT (SELECT max(i) FROM a) FROM u) SELECT * FROM b WHERE i = (SELECT 1 FROM a);

-- INSERT
INSERT INTO t SELECT * FROM u;
INSERT INTO sales.t (a, b) SELECT a, b FROM u;
INSERT INTO t VALUES (1, 2), (3, 4);
INSERT INTO t (a) VALUES ((SELECT max(a) FROM u));
INSERT INTO t WITH x AS (SELECT * FROM u) SELECT * FROM x;
INSERT INTO t (SELECT * FROM u);
INSERT INTO t SELECT * FROM t;
INSERT INTO "awsdatacatalog"."sales"."t" SELECT * FROM mysql_prod.crm.u;
INSERT OVERWRITE TABLE t SELECT * FROM u;

-- CREATE
CREATE TABLE t AS SELECT * FROM u;
CREATE TABLE sales.t WITH (format = 'PARQUET', external_location = 's3://b/from/', partitioned_by = ARRAY['d']) AS SELECT * FROM u;
CREATE TABLE IF NOT EXISTS t AS WITH x AS (SELECT * FROM u) SELECT * FROM x;
CREATE TABLE t AS (SELECT * FROM u) WITH NO DATA;
CREATE TABLE "t" AS SELECT * FROM (SELECT * FROM u) x;
CREATE VIEW v AS SELECT * FROM t;
CREATE OR REPLACE VIEW sales.v AS WITH x AS (SELECT * FROM t) SELECT * FROM x JOIN u ON true;
CREATE VIEW "v" (a, b) AS SELECT a, b FROM t;
CREATE EXTERNAL TABLE IF NOT EXISTS logs.elb (ts string, `from` string, request struct<verb:string,url:string>) PARTITIONED BY (day string) ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe' WITH SERDEPROPERTIES ('input.regex' = '([^ ]*) ([^ ]*)') LOCATION 's3://b/elb/' TBLPROPERTIES ('has_encrypted_data' = 'false');
CREATE EXTERNAL TABLE `logs`.`csv` (a string COMMENT 'as select * from x') ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' STORED AS TEXTFILE LOCATION 's3://b/csv/';
CREATE TABLE ice (id bigint, data string) PARTITIONED BY (bucket(16, id)) LOCATION 's3://b/ice/' TBLPROPERTIES ('table_type' = 'ICEBERG');
CREATE TABLE t LIKE u;

-- MERGE, UPDATE, DELETE
MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN UPDATE SET a = u.a, b = u.b WHEN NOT MATCHED THEN INSERT (id, a) VALUES (u.id, u.a);
MERGE INTO sales.t AS x USING (SELECT * FROM u JOIN v ON true) AS y ON x.id = y.id WHEN MATCHED AND y.gone THEN DELETE;
MERGE INTO t USING (SELECT * FROM u) s ON (t.id = s.id) WHEN MATCHED THEN UPDATE SET a = (SELECT max(a) FROM w), b = 1;
UPDATE t SET a = 1, b = 2 WHERE c = 3;
UPDATE sales.t SET a = (SELECT max(a) FROM u) WHERE id IN (SELECT id FROM v);
DELETE FROM t;
DELETE FROM sales.t WHERE a IS DISTINCT FROM 1;
DELETE FROM t WHERE id IN (SELECT id FROM u);

-- DDL
DROP TABLE t;
DROP TABLE IF EXISTS sales.t;
DROP VIEW IF EXISTS sales.v;
ALTER TABLE t RENAME TO u;
ALTER TABLE sales.t ADD COLUMNS (c string);
ALTER TABLE t DROP COLUMN c;
DESCRIBE t;
DESCRIBE sales.t;
DESCRIBE FORMATTED sales.t;

-- around a query
EXPLAIN SELECT * FROM t;
EXPLAIN (TYPE IO, FORMAT JSON) SELECT * FROM t JOIN u ON true;
EXPLAIN ANALYZE SELECT * FROM t;
EXPLAIN ANALYZE VERBOSE WITH x AS (SELECT * FROM t) SELECT * FROM x;
EXPLAIN INSERT INTO t SELECT * FROM u;
PREPARE p FROM SELECT * FROM t WHERE a = ?;
PREPARE p FROM INSERT INTO t SELECT * FROM u;
UNLOAD (SELECT * FROM t JOIN u ON true) TO 's3://b/x/' WITH (format = 'PARQUET', partitioned_by = ARRAY['d']);
UNLOAD (WITH x AS (SELECT * FROM t) SELECT * FROM x) TO 's3://b/x/' WITH (format = 'JSON');

-- what tools write
SELECT "source"."day" AS "day", sum("source"."total") AS "sum" FROM (SELECT "sales"."orders"."day" AS "day", "sales"."orders"."total" AS "total" FROM "sales"."orders") AS "source" GROUP BY "source"."day" ORDER BY "source"."day" ASC LIMIT 1048575;
/* QuickSight 0e984f2a */ SELECT "region", SUM("amount") AS "s" FROM "AwsDataCatalog"."sales"."orders" WHERE "day" >= DATE '2024-01-01' GROUP BY "region" ORDER BY 2 DESC LIMIT 20;
CREATE TABLE "temp_table_0123456789abcdef0123456789abcdef" WITH (format = 'Parquet', external_location = 's3://b/t/') AS SELECT * FROM orders;
create table "awsdatacatalog"."marts"."orders__dbt_tmp" with (table_type='hive', is_external=true, format='parquet') as select o.id from "awsdatacatalog"."staging"."stg_orders" o left join "awsdatacatalog"."staging"."stg_users" u on o.user_id = u.id;
SELECT SUM("t0"."amount") AS "sum_amount_ok" FROM "sales"."orders" "t0" INNER JOIN "sales"."users" "t1" ON ("t0"."uid" = "t1"."id") WHERE ("t0"."day" BETWEEN DATE '2024-01-01' AND DATE '2024-02-01') HAVING (COUNT(1) > 0);
SELECT date_trunc('month', day) AS m, count(DISTINCT user_id) FROM clicks WHERE year = '2024' AND month IN ('01', '02') GROUP BY 1 ORDER BY 1;
SELECT * FROM cloudtrail_logs CROSS JOIN UNNEST(json_extract(requestparameters, '$.x')) t (e) WHERE eventsource = 'athena.amazonaws.com' LIMIT 100;
