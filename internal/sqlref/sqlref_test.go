package sqlref

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// flagged writes refs as the tests below do: r: or w: or rw: before the name,
// or : where the statement only speaks of it.
func flagged(refs Refs) string {
	var all []string
	for _, ref := range refs {
		s := ":" + ref.String()
		if ref.Write {
			s = "w" + s
		}
		if ref.Read {
			s = "r" + s
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

// parsed are statements and what Parse finds in them, as flagged writes it:
// what sqlglot does not parse, and what is read and written.
var parsed = []struct{ sql, want string }{
	// read, written, spoken of
	{"SELECT * FROM a JOIN sales.b ON true", "r:a r:sales.b"},
	{"INSERT INTO a SELECT * FROM a, b", "rw:a r:b"},
	{"CREATE TABLE a AS SELECT * FROM b", "w:a r:b"},
	{"CREATE VIEW a AS SELECT * FROM b", "w:a :b"},
	{"CREATE OR REPLACE VIEW sales.a AS WITH x AS (SELECT * FROM b) SELECT * FROM x", ":b w:sales.a"},
	{"CREATE PROTECTED MULTI DIALECT VIEW a SECURITY DEFINER AS SELECT * FROM b", "w:a :b"},
	{"CREATE TABLE a LIKE b", "w:a :b"},
	{"EXPLAIN INSERT INTO a SELECT * FROM b", ":a :b"},
	{"EXPLAIN ANALYZE INSERT INTO a SELECT * FROM b", "w:a r:b"},
	{"EXPLAIN (FORMAT JSON) ANALYZE SELECT * FROM b", ""},
	{"MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN DELETE", "w:a r:b"},
	{"UPDATE a SET x = (SELECT max(x) FROM b), y = 1", "w:a r:b"},
	{"DELETE FROM a WHERE i IN (SELECT i FROM a)", "rw:a"},
	{"UNLOAD (SELECT * FROM a) TO 's3://b/' WITH (format = 'PARQUET')", "r:a"},

	// PREPARE and EXECUTE
	{"PREPARE p FROM SELECT * FROM a WHERE x = ?", ":a"},
	{"PREPARE p FROM INSERT INTO a SELECT * FROM b", ":a :b"},
	{"PREPARE p FROM UNLOAD (SELECT * FROM a) TO 's3://b/' WITH (format = 'CSV')", ":a"},
	{"EXECUTE p", ""},
	{"EXECUTE p USING 1, 'from x'", ""},
	{"EXECUTE IMMEDIATE 'SELECT * FROM a WHERE x = ''from b'''", "r:a"},
	{"EXECUTE IMMEDIATE 'SELECT * FROM a WHERE x = ?' USING 1", "r:a"},
	{"EXECUTE IMMEDIATE 'EXECUTE IMMEDIATE ''SELECT * FROM a'''", "r:a"},
	{"EXPLAIN EXECUTE IMMEDIATE 'SELECT * FROM a'", ":a"},
	{"DEALLOCATE PREPARE p", ""},
	{"DESCRIBE INPUT p", ""},
	{"DESCRIBE OUTPUT p", ""},

	// tables and databases that are spoken of
	{"SHOW TABLES", ""},
	{"SHOW TABLES IN sales", ":sales.*"},
	{"SHOW TABLES IN sales '*log*'", ":sales.*"},
	{"SHOW VIEWS IN awsdatacatalog.sales LIKE 'x*'", ":awsdatacatalog.sales.*"},
	{"SHOW DATABASES", ""},
	{"SHOW SCHEMAS IN hive", ""},
	{"SHOW CREATE TABLE sales.a", ":sales.a"},
	{"SHOW CREATE TABLE `sales`.`a`", ":sales.a"},
	{"SHOW CREATE VIEW a", ":a"},
	{"SHOW PARTITIONS `a`", ":a"},
	{"SHOW TBLPROPERTIES sales.a('table_type')", ":sales.a"},
	{"SHOW COLUMNS IN a", ":a"},
	{"SHOW COLUMNS FROM a FROM sales", ":sales.a"},
	{"SHOW COLUMNS IN sales.a", ":sales.a"},
	{"SHOW STATS FOR sales.a", ":sales.a"},
	{"SHOW STATS FOR (SELECT * FROM a WHERE x = 1)", ":a"},
	{"SHOW FUNCTIONS", ""},
	{"DESCRIBE EXTENDED sales.a", ":sales.a"},
	{"DESC a PARTITION (day = '2024') x", ":a"},
	{"DESCRIBE view", ":view"},
	{"DESCRIBE VIEW a", ":a"},
	{"DESCRIBE DATABASE sales", ":sales.*"},
	{"DESCRIBE extended", ":extended"},

	// DDL
	{"MSCK REPAIR TABLE sales.a", "w:sales.a"},
	{"MSCK REPAIR TABLE a SYNC PARTITIONS", "w:a"},
	{"VACUUM sales.a", "w:sales.a"},
	{"OPTIMIZE sales.a REWRITE DATA USING BIN_PACK WHERE day IN (SELECT day FROM b)", "r:b w:sales.a"},
	{"ALTER TABLE a ADD IF NOT EXISTS PARTITION (day = '2024') LOCATION 's3://b/from/x'", "w:a"},
	{"ALTER TABLE a DROP PARTITION (day = '2024'), PARTITION (day = '2025')", "w:a"},
	{"ALTER TABLE a PARTITION (d = '1') RENAME TO PARTITION (d = '2')", "w:a"},
	{"ALTER TABLE a SET TBLPROPERTIES ('x' = 'y')", "w:a"},
	{"ALTER TABLE a CHANGE COLUMN x y string AFTER z", "w:a"},
	{"ALTER TABLE a REPLACE COLUMNS (x string)", "w:a"},
	{"ALTER TABLE a RENAME TO b", "w:a w:b"},
	{"ALTER VIEW a AS SELECT * FROM b", "w:a :b"},
	{"ALTER DATABASE sales SET DBPROPERTIES ('a' = 'b')", "w:sales.*"},
	{"CREATE DATABASE IF NOT EXISTS sales COMMENT 'from x' LOCATION 's3://b/'", "w:sales.*"},
	{"CREATE SCHEMA `sales`", "w:sales.*"},
	{"DROP DATABASE IF EXISTS sales CASCADE", "w:sales.*"},
	{"DROP SCHEMA sales", "w:sales.*"},
	{"DROP TABLE `sales.a`", "w:sales.a"},
	{"DROP TABLE external", "w:external"},
	{"CREATE EXTERNAL TABLE a (x string) ROW FORMAT SERDE 'x' WITH SERDEPROPERTIES (\"separatorChar\" = \",\", \"quoteChar\" = \"\\\"\", \"escapeChar\" = \"\\\\\") LOCATION 's3://b/'", "w:a"},
	{"CREATE TABLE a (x string) ROW FORMAT SERDE 'x' WITH SERDEPROPERTIES (\"quoteChar\" = \"\\\"\") LOCATION 's3://b/'", "w:a"},
	{"CREATE EXTERNAL TABLE 2024_a (x string) LOCATION 's3://b/'", "w:2024_a"},
	{"SELECT * FROM sales.2024_a", "r:sales.2024_a"},
	{"TRUNCATE TABLE a", "w:a"},
	{"ANALYZE a", "r:a"},
	{"LOAD DATA INPATH 's3://x' INTO TABLE a", "w:a"},

	// functions before the query
	{"USING EXTERNAL FUNCTION f(x INT) RETURNS INT LAMBDA 'f' SELECT f(x) FROM a WHERE f(x) IN (SELECT x FROM b)", "r:a r:b"},
	{"USING EXTERNAL FUNCTION f(x INT) RETURNS INT LAMBDA 'f', EXTERNAL FUNCTION g(y VARCHAR) RETURNS VARCHAR LAMBDA 'g' WITH x AS (SELECT * FROM a) SELECT f(g(y)) FROM x", "r:a"},
	{"USING FUNCTION f(x INT) RETURNS INT TYPE LAMBDA_INVOKE WITH (lambda_name = 'f') SELECT f(x) FROM a", "r:a"},
	{"WITH FUNCTION f(x int) RETURNS int RETURN x + 1 SELECT f(x) FROM a", "r:a"},

	// table functions and their tables
	{"SELECT * FROM TABLE(f(input => TABLE(orders) PARTITION BY x ORDER BY y, n => 1)) t, u", "r:orders r:u"},
	{"SELECT * FROM TABLE(f(TABLE(SELECT * FROM a)))", "r:a"},
	{"WITH x AS (SELECT * FROM a) SELECT * FROM TABLE(f(TABLE(x), DESCRIPTOR(c)))", "r:a"},
	{"SELECT * FROM a, JSON_TABLE(a.j, 'lax $' COLUMNS (x int PATH 'lax $.x')) j, b", "r:a r:b"},
	{"SELECT * FROM t WHERE a IN (TABLE b)", "r:b r:t"},
	{"SELECT * FROM a LATERAL VIEW explode(xs) v AS x, y JOIN b ON true", "r:a r:b"},

	// commas and words within ON
	{"SELECT * FROM a JOIN b ON a.x = ARRAY[b.y, b.z][1], c", "r:a r:b r:c"},
	{"SELECT * FROM a JOIN b ON a.x = CASE WHEN b.y THEN b.z END JOIN c ON true, d", "r:a r:b r:c r:d"},
	{"SELECT * FROM a WHERE x IN (SELECT y[1, (2] FROM b) AND z IN (SELECT z FROM c)", "r:a r:c"},
	{"SELECT * FROM a WHERE x IN (SELECT y[1 FROM b) AND z IN (SELECT z FROM c)", "r:a r:c"},

	// words that are also names
	{"SELECT * FROM lateral", "r:lateral"},
	{"SELECT * FROM t AS limit JOIN u ON true", "r:t r:u"},
	{"SELECT * FROM t window, u offset WHERE a = 1", "r:t r:u"},
	{"SELECT * FROM schema.table JOIN db.select ON true", "r:db.select r:schema.table"},
	{"SELECT t.from, t.join FROM t", "r:t"},
	{"WITH recursive AS (SELECT * FROM a) SELECT * FROM recursive", "r:a"},
	{"SELECT * FROM data", "r:data"},

	// parentheses are not asked to be closed
	{"SELECT * FROM (SELECT * FROM a", "r:a"},
	{"SELECT * FROM a)))) JOIN b ON true", "r:a r:b"},
	{"SELECT * FROM \"\xff\"", "r:\ufffd"},
	{"SELECT * FROM \"a'b;--\".\"/*\"", `r:a'b;--."/*"`},
}

// nothing are texts that name no table: not closed, not SQL.
var nothing = []string{
	"", ";", ";;;", " \n", "-- SELECT * FROM a", "/* SELECT * FROM a", "hello from the other side", "42", "'SELECT * FROM a'",
	"SELECT * FROM \"a", "SELECT * FROM a WHERE b = 'x", "SELECT * FROM `a", "\x00\xff\xfe", "FROM", "SELECT FROM", "SELECT * FROM",
	"SELECT * FROM \"\"", "SELECT * FROM a.\"\".b", "SELECT * FROM a.b.c.d", "SELECT * FROM 5", "SELECT * FROM 'a'", "SELECT * FROM ?",
	"DROP TABLE", "INSERT INTO SELECT", "START TRANSACTION", "COMMIT", "CALL f(1)", "SET SESSION x = 1", "GRANT SELECT ON a TO b",
	"SELECT * FROM \"" + strings.Repeat("x", 256) + "\"",
}

func TestParse(t *testing.T) {
	for _, c := range parsed {
		if got := flagged(Parse(c.sql)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
	for _, sql := range nothing {
		if refs := Parse(sql); len(refs) > 0 {
			t.Errorf("%s\n got %s", sql, flagged(refs))
		}
	}
}

func TestIn(t *testing.T) {
	f := func(sql, catalog, database, want string) {
		t.Helper()
		if got := flagged(Tables(sql, catalog, database)); got != want {
			t.Errorf("%s\n got %s\nwant %s", sql, got, want)
		}
	}
	const sql = "INSERT INTO a SELECT * FROM AwsDataCatalog.Sales.A, sales.b, mysql.crm.c"
	f(sql, "", "sales", "rw:awsdatacatalog.sales.a r:awsdatacatalog.sales.b r:mysql.crm.c")
	f(sql, "AwsDataCatalog", "Web", "r:awsdatacatalog.sales.a r:awsdatacatalog.sales.b w:awsdatacatalog.web.a r:mysql.crm.c")
	f(sql, "hive", "sales", "r:awsdatacatalog.sales.a w:hive.sales.a r:hive.sales.b r:mysql.crm.c")
	f(sql, "", "", "w:a r:awsdatacatalog.sales.a r:awsdatacatalog.sales.b r:mysql.crm.c")

	refs := Tables("SELECT * FROM a JOIN web.b ON true JOIN web.c ON true", "", "sales")
	if d := cmp.Diff([]string{"awsdatacatalog.sales", "awsdatacatalog.web"}, refs.Databases()); d != "" {
		t.Error(d)
	}
	refs = Tables("SHOW TABLES IN web", "", "sales")
	if d := cmp.Diff([]string{"awsdatacatalog.web"}, refs.Databases()); d != "" || len(refs.Names()) > 0 {
		t.Error(d, refs.Names())
	}
}

// TestParseRef checks that names come back whatever is in them, and that two
// have not one text.
func TestParseRef(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[a-z_. "*\t$é-]{1,6}`)
		ref := Ref{Table: part.Draw(t, "table")}
		if rapid.Bool().Draw(t, "database") {
			ref.Database = part.Draw(t, "database")
			if rapid.Bool().Draw(t, "only") {
				ref.Table = ""
			}
			if rapid.Bool().Draw(t, "catalog") {
				ref.Catalog = part.Draw(t, "catalog")
			}
		}
		got, ok := ParseRef(ref.String())
		if !ok || got != ref {
			t.Fatalf("%+v is written %s, which is read %+v, %v", ref, ref, got, ok)
		}
	})
	for _, s := range []string{"", ".", "a.", ".a", "a..b", `"a`, `""`, "a.b.c.d", `"a"b`, ".*"} {
		if ref, ok := ParseRef(s); ok {
			t.Errorf("%q is read %+v", s, ref)
		}
	}
}

// hostile are texts that a careless reader takes long for, or a deep stack.
func hostile(size int) map[string]string {
	fill := func(before, piece, after string) string {
		return before + strings.Repeat(piece, (size-len(before)-len(after))/len(piece)) + after
	}
	names := func(before string, piece func(int) string, after string) string {
		var b strings.Builder
		b.WriteString(before)
		for i := 0; b.Len() < size-100; i++ {
			b.WriteString(piece(i))
		}
		return b.String() + after
	}
	n := func(i int) string { return "t" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + itoa(i) }
	return map[string]string{
		"parentheses":        fill("SELECT ", "(", ""),
		"closed":             "SELECT " + strings.Repeat("(", size/2-4) + strings.Repeat(")", size/2-4),
		"closing":            fill("SELECT ", ")", ""),
		"from parentheses":   fill("SELECT * FROM ", "(", ""),
		"subqueries":         fill("", "SELECT * FROM a WHERE x IN (", ""),
		"relations":          fill("", "SELECT * FROM (", ""),
		"with":               fill("", "WITH x (", ""),
		"with in with":       fill("", "WITH x AS (", ""),
		"recursive":          fill("", "WITH RECURSIVE x AS (", ""),
		"many with":          names("WITH a AS (SELECT 1)", func(i int) string { return ", " + n(i) + " AS (SELECT * FROM " + n(i/2) + ")" }, " SELECT 1"),
		"many tables":        names("SELECT * FROM a", func(i int) string { return ", " + n(i) }, ""),
		"in list":            fill("SELECT * FROM a WHERE x IN (1", ", 'abc'", ")"),
		"in list of names":   names("SELECT * FROM a WHERE x IN (1", func(i int) string { return ", " + n(i) }, ")"),
		"values":             fill("INSERT INTO a VALUES (1, 'x')", ", (1, NULL)", ""),
		"arrays":             fill("SELECT ", "ARRAY[1, ", ""),
		"in in":              fill("SELECT * FROM a WHERE x ", "IN (1, (", ""),
		"comments":           fill("SELECT * FROM a ", "/**/", ""),
		"comment openings":   fill("SELECT * FROM a ", "/* ", ""),
		"lines":              fill("SELECT * FROM a ", "--\n", ""),
		"quotes":             fill("SELECT * FROM a WHERE x = ", "''", ""),
		"names":              fill("SELECT * FROM ", "\"\"", ""),
		"backslashes":        fill("CREATE EXTERNAL TABLE a COMMENT '", "\\'", "'"),
		"dots":               fill("SELECT * FROM a", ".a", ""),
		"statements":         fill("", "SELECT * FROM a;", ""),
		"semicolons":         fill("", ";", ""),
		"explain":            fill("", "EXPLAIN ", ""),
		"explain analyze":    fill("", "EXPLAIN ANALYZE ", ""),
		"prepare":            fill("", "PREPARE a FROM ", ""),
		"describe":           fill("", "DESCRIBE ", ""),
		"immediate":          fill("EXECUTE IMMEDIATE '", "EXECUTE IMMEDIATE ''", "'"),
		"union":              fill("SELECT 1", " UNION SELECT 1 FROM a", ""),
		"joins":              fill("SELECT * FROM a", " JOIN b ON x = y", ""),
		"create":             fill("CREATE TABLE a (", "x int, (", ""),
		"one word":           fill("SELECT ", "x", ""),
		"one temporary name": fill("SELECT * FROM ", "__dbt_tmp", ""),
		"signs":              fill("SELECT ", "-", "1"),
		"invalid":            fill("", "\xff", ""),
		"zeros":              fill("", "\x00", ""),
	}
}

func itoa(i int) string { b, _ := json.Marshal(i); return string(b) }

// TestHostile checks that time grows with the text: four times the text may
// not take much more than four times as long.
func TestHostile(t *testing.T) {
	const size = 262144
	small, large := hostile(size/4), hostile(size)
	measure := func(sql string) time.Duration {
		best := time.Hour
		for range 2 {
			start := time.Now()
			refs := Parse(sql)
			Fingerprint(sql)
			best = min(best, time.Since(start))
			if len(refs) > maxRefs {
				t.Errorf("%d refs", len(refs))
			}
		}
		return best
	}
	for name, sql := range large {
		a, b := measure(small[name]), measure(sql)
		// What is added is for the garbage collector and other processes.
		if b > 10*a+400*time.Millisecond {
			t.Errorf("%s: %v for a quarter of the text, %v for all", name, a, b)
		}
	}
	if n := len(Parse(large["many tables"])); n != maxRefs {
		t.Errorf("%d of many tables", n)
	}
	if refs := Parse("SELECT * FROM a " + strings.Repeat(" ", maxText)); refs != nil {
		t.Errorf("more than %d bytes: %v", maxText, refs)
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"statements.sql", "generated.sql"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		all := statements(string(data))
		for _, sql := range all[:min(len(all), 250)] {
			f.Add(sql)
		}
	}
	for _, c := range parsed {
		f.Add(c.sql)
	}
	for _, sql := range nothing {
		f.Add(sql)
	}
	for _, sql := range hostile(200) {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		refs := Parse(sql)
		if len(refs) > maxRefs {
			t.Fatalf("%d refs", len(refs))
		}
		for _, ref := range refs {
			got, ok := ParseRef(ref.String())
			if got.Read, got.Write = ref.Read, ref.Write; !ok || got != ref {
				t.Fatalf("%+v is written %q", ref, ref.String())
			}
		}
		full := refs.In("", "d")
		if !slices.IsSortedFunc(full, func(a, b Ref) int { return strings.Compare(a.Catalog, b.Catalog) }) {
			t.Fatalf("not sorted: %v", full)
		}
		if again := full.In("other", "other"); !slices.Equal(full, again) {
			t.Fatalf("full names changed: %v, %v", full, again)
		}
		if n := len(Fingerprint(sql)); n != 16 && n != 0 {
			t.Fatalf("a fingerprint of %d digits", n)
		}
	})
}
