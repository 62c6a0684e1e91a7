package annotation

import (
	"strings"
	"testing"
)

func TestProbe(t *testing.T) {
	f := func(sql string, want bool) {
		t.Helper()
		if got := Probe(sql); got != want {
			t.Errorf("%s: %v", sql, got)
		}
		if strings.Contains(sql, "--") || strings.Contains(sql, "/*") {
			return
		}
		// Comments and white space do not count, nor does case.
		if got := Probe("/* a ( ' */ -- b '\n" + strings.ToLower(strings.ReplaceAll(sql, " ", "\n/* c */\t")) + " -- d;"); got != want {
			t.Errorf("%s with comments: %v", sql, got)
		}
	}

	// As the tools send them.
	f("SELECT 1", true)
	f("SELECT 1;", true)
	f("select 1 as id", true)
	f(`SELECT 1 AS "ONE" ;`, true)
	f("/* QuickSight */\nSELECT ds.* FROM ( SELECT a, ')' FROM t WHERE b = '(' ) ds LIMIT 0", true)
	f("SELECT * FROM default.testv1_batters WHERE 1=0", true)
	f("SELECT * FROM default.testv1_batters LIMIT 0", true)
	f("SELECT * FROM (SELECT * FROM (SELECT 1) x) AS custom_sql_query LIMIT 0;", true)
	f(`SELECT TRUE AS "_" FROM "sales"."orders" WHERE 1 <> 1 LIMIT 0`, true)
	f("-- Metabase\nSELECT TRUE FROM sales.orders WHERE 1 <> 1 LIMIT 0", true)
	f("select * from (\n  select a from b\n) as __dbt_sbq\nwhere false\nlimit 0\n", true)
	f("SELECT * FROM (SELECT a) SPARK_GEN_SUBQ_0 WHERE 1=0", true)
	f(`SELECT x.* FROM "c"."d"."e" AS "x" WHERE 1 != 1 LIMIT 0;`, true) // the longest

	// What a person may want.
	f("", false)
	f(";", false)
	f("SELECT", false)
	f("SELECT 2", false)
	f("SELECT 1, 2", false)
	f("SELECT 1 + 1", false)
	f("SELECT 'x'", false)
	f("SELECT 1 FROM t", false)
	f("SELECT 1 FROM t LIMIT 1", false)
	f("SELECT 1 LIMIT 0", false)
	f("SELECT 1; SELECT 2", false)
	f("SELECT 1 AS", false)
	f("SELECT * FROM t", false)
	f("SELECT * FROM t LIMIT 1", false)
	f("SELECT * FROM t LIMIT 00", false)
	f("SELECT * FROM t LIMIT 0 OFFSET 5", false)
	f("SELECT * FROM t WHERE 1=1", false)
	f("SELECT * FROM t WHERE 1=0 OR a = 2", false)
	f("SELECT * FROM t WHERE a = 0", false)
	f("SELECT * FROM t WHERE '1'='0'", false)
	f("SELECT * FROM t WHERE 'limit 0'", false)
	f("SELECT * FROM t \"LIMIT\" 0", false)
	f("SELECT * FROM t WHERE LIMIT 0", false)
	f("SELECT a FROM t LIMIT 0", false)
	f("SELECT count(*) FROM t LIMIT 0", false)
	f("SELECT * FROM a, b LIMIT 0", false)
	f("SELECT * FROM a JOIN b ON c LIMIT 0", false)
	f("SELECT * FROM (SELECT 1) x LIMIT 0)", false)
	f("SELECT * FROM (SELECT 1 x LIMIT 0", false)
	f("(SELECT 1)", false)
	f("SELECT * FROM unnest(a) LIMIT 0", false)
	f("SELECT * FROM a.b.c.d LIMIT 0", false)
	f("SELECT * FROM (SELECT 1) x UNION SELECT 1 LIMIT 0", false)
	f("CREATE TABLE t AS SELECT * FROM (SELECT 1) x WHERE 1=0", false)
	f("INSERT INTO t SELECT * FROM u LIMIT 0", false)
	f("EXPLAIN SELECT 1", false)
	f("WITH a AS (SELECT 1) SELECT * FROM a LIMIT 0", false)
	f("SELECT * FROM t -- LIMIT 0", false)
	f("VALUES 1", false)
}
