package sqlref

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

var update = flag.Bool("update", false, "write testdata/fingerprints.txt")

func TestFingerprint(t *testing.T) {
	seen := map[string]string{}
	same := func(statements ...string) {
		t.Helper()
		want := Fingerprint(statements[0])
		if len(want) != 16 {
			t.Errorf("%s: fingerprint %q", statements[0], want)
		}
		for _, sql := range statements {
			if got := Fingerprint(sql); got != want {
				t.Errorf("other fingerprints:\n%s\n%s", statements[0], sql)
			}
		}
		if other, ok := seen[want]; ok {
			t.Errorf("one fingerprint:\n%s\n%s", other, statements[0])
		}
		seen[want] = statements[0]
	}
	// Each call is one query; no two calls have one fingerprint.
	same(
		"SELECT a FROM t WHERE b = 1",
		"select A from T where B = 2",
		"SELECT a\n\tFROM t -- c\nWHERE /* d */ b = 'x';",
		"/* QuickSight 1f */ SELECT a FROM t WHERE b = -5.5e3 ; ;",
		"SELECT \"a\" FROM `t` WHERE \"B\" = ?",
		"SELECT a FROM t WHERE b = + 5",
		"SELECT a FROM t WHERE b = true",
		"\ufeffSELECT\u00a0a FROM t WHERE b = -?",
	)
	same("SELECT a FROM t WHERE b = c")
	same("SELECT a FROM t WHERE b = NULL")
	same("SELECT a FROM t WHERE b <> 1", "SELECT a FROM t WHERE b != 1")
	same("SELECT a FROM sales_2024", "SELECT a FROM SALES_2024")
	same("SELECT a FROM sales_2025")
	same("SELECT a FROM cur_111122223333")
	same("SELECT a FROM logs_20240131")
	same("SELECT a FROM \"t t\"", "SELECT a FROM \"T T\"", "SELECT a FROM `t t`")
	same("SELECT a - 1 FROM t", "SELECT a - 2 FROM t")
	same("SELECT a + 1 FROM t")
	same("SELECT a FROM t WHERE b = ? - 5", "SELECT a FROM t WHERE b = 3 - 5", "SELECT a FROM t WHERE b = -3 - -5")
	same("SELECT substr(a, 1, 2) FROM t", "SELECT substr(a, 3, 4) FROM t")
	same("SELECT substr(a, 1) FROM t")
	same("SELECT a FROM t WHERE b IS NULL")
	same("SELECT a FROM t WHERE b BETWEEN DATE '2024-01-01' AND DATE '2024-02-01'", "SELECT a FROM t WHERE b BETWEEN DATE '2023-01-01' AND DATE '2023-02-01'")

	// lists
	same(
		"SELECT a FROM t WHERE b IN (1)",
		"SELECT a FROM t WHERE b IN (1, 2)",
		"SELECT a FROM t WHERE b IN ('a', -2, ?, TRUE, NULL)",
		"SELECT a FROM t WHERE b IN ("+strings.Repeat("1,", 5000)+"1)",
	)
	same("SELECT a FROM t WHERE b NOT IN (1)", "SELECT a FROM t WHERE b NOT IN (1, 2)")
	same("SELECT a FROM t WHERE b IN (c, 1)", "SELECT a FROM t WHERE b IN (c, 1, 2)")
	same("SELECT a FROM t WHERE b IN (1, c)", "SELECT a FROM t WHERE b IN (1, 2, c)")
	same("SELECT a FROM t WHERE b IN (DATE '2024-01-01')", "SELECT a FROM t WHERE b IN (DATE '2024-01-01', DATE '2024-01-02')")
	same("SELECT a FROM t WHERE (b, c) IN ((1, 2))", "SELECT a FROM t WHERE (b, c) IN ((1, 2), (NULL, 4), (5, 6))")
	same("SELECT a FROM t WHERE b IN (SELECT 1, 2 FROM u)", "SELECT a FROM t WHERE b IN (SELECT 3, 4 FROM u)")
	same("SELECT a FROM t WHERE b IN (SELECT 1 FROM u)")
	same("SELECT a FROM t WHERE b IN (CAST('a' AS x), CAST('b' AS x))", "SELECT a FROM t WHERE b IN (CAST('c' AS x))")
	same("SELECT ARRAY[1, 2, 3]", "SELECT ARRAY['a']")
	same("SELECT ARRAY[a, b]")
	same("SELECT ARRAY[ARRAY[1, 2], ARRAY[3]]", "SELECT ARRAY[ARRAY[1]]")
	same("INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)")
	same("INSERT INTO t VALUES (1, 'a', 2)", "INSERT INTO t VALUES (1, 'a', 2), (2, 'b', 4)")
	same("INSERT INTO t (a, b) VALUES (1, 'a')")
	same("SELECT * FROM (VALUES 1, 2, 3) v (a) WHERE b IN (1)", "SELECT * FROM (VALUES 1) v (a) WHERE b IN (1, 2)")
	same("VALUES (1), (2) UNION ALL SELECT 1, 2", "VALUES (1) UNION ALL SELECT 1, 2")
	same("VALUES (1), (2) UNION ALL SELECT 1")
	same("SELECT a, b FROM t GROUP BY 1, 2")
	same("SELECT a, b FROM t GROUP BY 1")

	// prepared statements
	same("EXECUTE p USING 1", "EXECUTE p USING 'a', 2, 3")
	same("EXECUTE p")
	same("EXECUTE q USING 1")
	same("PREPARE p FROM SELECT a FROM t WHERE b = ?")

	// temporary tables
	same("CREATE TABLE temp_table_0123456789abcdef0123456789abcdef AS SELECT 1 FROM t", "CREATE TABLE \"temp_table_fedcba9876543210fedcba9876543210\" AS SELECT 2 FROM t")
	same("CREATE TABLE temp_table_1 AS SELECT 1 FROM t")
	same(
		"SELECT * FROM m.orders__dbt_tmp",
		"SELECT * FROM m.orders__tmp_not_partitioned",
		"SELECT * FROM m.orders__dbt_tmp__tmp_not_partitioned",
		"SELECT * FROM m.\"orders__ha\"",
		"SELECT * FROM m.orders__0a1b2c3d_0a1b_0a1b_0a1b_0a1b2c3d4e5f",
		"SELECT * FROM m.orders__dbt_tmp20240131120000123456",
		"SELECT * FROM m.orders__tmp_20240131120000123456",
		"SELECT * FROM m.orders__tmp_1706702400_123456",
	)
	same("SELECT * FROM m.orders")
	same("SELECT * FROM m.orders__tmp_2024")
	same("SELECT * FROM m.users__dbt_tmp")
	same("SELECT * FROM \"x-0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f\"", "SELECT * FROM \"x-1a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f\"")
	same("SELECT * FROM ge_temp_0a1b2c3d", "SELECT * FROM ge_temp_1a1b2c3d")
	same("SELECT * FROM ge_temp_final")
	same("SELECT * FROM __splink__df_concat_0a1b2c3d4", "SELECT * FROM __splink__df_concat_1a1b2c3d4")

	// Hive's texts
	same(
		`CREATE EXTERNAL TABLE t (a string COMMENT 'x') WITH SERDEPROPERTIES ("quoteChar" = "\"", "b" = "\\") LOCATION "s3://a/"`,
		`CREATE EXTERNAL TABLE t (a string COMMENT "y") WITH SERDEPROPERTIES ('quoteChar' = '\'', 'b' = 'x') LOCATION 's3://b/'`,
	)
	same(`DROP TABLE "a"`, "DROP TABLE `a`", "DROP TABLE a")
	same(`DROP TABLE "b"`)
	same(
		`ALTER TABLE t ADD PARTITION (d = '1') LOCATION 's3://a/'`,
		`ALTER TABLE t ADD PARTITION (d = "2") LOCATION "s3://b/"`,
	)

	for _, sql := range []string{"", " ", ";", "-- a", "/* a */", strings.Repeat("a ", maxText)} {
		if got := Fingerprint(sql); got != "" {
			t.Errorf("%.20q: %s", sql, got)
		}
	}
}

// TestSpelling writes all statements of testdata anew, and with their literals
// masked: neither tables nor fingerprint may change.
func TestSpelling(t *testing.T) {
	gaps := []string{" ", "\n", "\t ", " /* FROM x */ ", " -- FROM 'x\n"}
	for _, name := range []string{"statements.sql", "generated.sql"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		for n, sql := range statements(string(data)) {
			var respelled, masked strings.Builder
			for tok := range sqllex.Tokens(sql) {
				text := tok.Text
				if tok.Kind == sqllex.Comment {
					continue
				}
				if tok.Kind == sqllex.Word {
					text = strings.ToUpper(text)
				}
				respelled.WriteString(gaps[(n+tok.Start)%len(gaps)] + text)
				if tok.Kind == sqllex.Text || tok.Kind == sqllex.Number {
					text = "?"
				}
				masked.WriteString(" " + text)
			}
			for _, other := range []string{respelled.String(), masked.String()} {
				if a, b := Fingerprint(sql), Fingerprint(other); a != b {
					t.Errorf("%s\n%s\nfingerprints %s and %s", sql, other, a, b)
				}
				if a, b := flagged(Parse(sql)), flagged(Parse(other)); a != b {
					t.Errorf("%s\n%s\ntables %s and %s", sql, other, a, b)
				}
			}
		}
	}
}

// TestFingerprintsStay compares with what earlier versions gave. Whoever must
// change one raises Version, and says in the change log whose patterns break.
func TestFingerprintsStay(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "statements.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "version %d\n", Version)
	for _, sql := range statements(string(data)) {
		fmt.Fprintf(&b, "%s %s\n", Fingerprint(sql), strings.Join(strings.Fields(sql), " "))
	}
	golden := filepath.Join("testdata", "fingerprints.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		got, want := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
		for i := range want {
			if i < len(got) && got[i] != want[i] {
				t.Errorf("was %s\n is %s", want[i], got[i])
			}
		}
		t.Error("fingerprints changed; with new statements only, run with -update")
	}
}
