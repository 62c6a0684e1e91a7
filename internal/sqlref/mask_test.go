package sqlref

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail/internal/sqllex"
)

func TestMask(t *testing.T) {
	f := func(sql, want string) {
		t.Helper()
		if got := Mask(sql); got != want {
			t.Errorf("%s:\ngot  %q\nwant %q", sql, got, want)
		}
	}
	f("SELECT a FROM t WHERE b = 'secret' AND c > -1.5e3", "SELECT a FROM t WHERE b = ? AND c > -?")
	f("SELECT 'it''s' || U&'\\0041' || X'6566'", "SELECT ? || U&? || X?")
	f("/* secret */ SELECT 1 -- secret\nFROM t/*secret*/WHERE a", "SELECT ? FROM t WHERE a")
	f(`SELECT "Jane's name" FROM "T" WHERE d = DATE '2024-01-02'`, `SELECT "Jane's name" FROM "T" WHERE d = DATE ?`)
	f("SELECT a FROM t WHERE b IN ('x', 'y')\n  LIMIT 10;", "SELECT a FROM t WHERE b IN (?, ?)\n  LIMIT ?;")
	f("SELECT NULL, true, a1, ?", "SELECT NULL, true, a1, ?")
	f("UNLOAD (SELECT a FROM t) TO 's3://bucket/secret' WITH (format = 'PARQUET')", "UNLOAD (SELECT a FROM t) TO ? WITH (format = ?)")
	f(`ALTER TABLE t ADD PARTITION (p = "secret") LOCATION "s3://b/secret"`, `ALTER TABLE t ADD PARTITION (p = ?) LOCATION ?`)
	f("CREATE EXTERNAL TABLE t (a int COMMENT 'x') LOCATION 's3://b/'", "CREATE EXTERNAL TABLE t (a int COMMENT ?) LOCATION ?")
	f(`SELECT regexp_like(a, '\d+')`, "SELECT regexp_like(a, ?)")
	f("EXECUTE IMMEDIATE 'SELECT a FROM t WHERE b = ''secret'' AND c = 5'", "EXECUTE IMMEDIATE 'SELECT a FROM t WHERE b = ? AND c = ?'")
	f("EXECUTE p USING 'secret', 5", "EXECUTE p USING ?, ?")
	f("the secret is 'secret'", "the secret is ?")

	// What cannot be cut for sure is not kept.
	for _, sql := range []string{
		"", "  ", "-- only a comment",
		"SELECT 'secret", `SELECT "secret`, "SELECT a /* ok */ FROM `t",
		`SELECT 'it\'s secret' FROM t WHERE a = 'x'`,
		`SELECT 'a\' FROM secret WHERE b = \''`,
		`ALTER TABLE t SET TBLPROPERTIES ("quoteChar" = "\"", 'a' = 'secret')`,
		"SELECT 0x5EC2E7", "SELECT 4111111111111111and 1", "SELECT a FROM 2024_orders",
		"EXECUTE IMMEDIATE 'SELECT ''secret'", "EXECUTE IMMEDIATE ''",
		"SELECT '" + strings.Repeat("x", maxText) + "'",
	} {
		f(sql, "")
	}
}

func TestSureTables(t *testing.T) {
	f := func(sql string, want ...string) {
		t.Helper()
		if got := SureTables(sql).Names(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
	f("SELECT a FROM t WHERE b = 'x'", "t")
	f(`CREATE EXTERNAL TABLE t (a int) ROW FORMAT SERDE 'x' WITH SERDEPROPERTIES ('q' = "\"") LOCATION 'y'`, "t")
	f(`SELECT 'a\' FROM secret WHERE b = \''`)
}

// checkMask holds Mask to what it promises of any text, and reports whether
// anything was kept of it.
func checkMask(t interface{ Errorf(string, ...any) }, sql string) bool {
	masked := Mask(sql)
	if masked == "" {
		return false
	}
	if got, want := Parse(masked), Parse(sql); !slices.Equal(got, want) {
		t.Errorf("%q: tables %v, masked %q: %v", sql, want, masked, got)
	}
	if Fingerprint(masked) != Fingerprint(sql) {
		t.Errorf("%q: another fingerprint than masked %q", sql, masked)
	}
	if again := Mask(masked); again != masked {
		t.Errorf("%q: masked twice %q, once %q", sql, again, masked)
	}
	// No literal is left in either language but EXECUTE IMMEDIATE's, in which
	// none is left.
	for _, hive := range []bool{false, true} {
		toks, ok := cut(masked, hive)
		if !ok {
			t.Errorf("%q: masked %q: not closed", sql, masked)
		}
		for i := range toks.len() {
			switch tok := toks.at(i); tok.kind {
			case sqllex.Number:
				t.Errorf("%q: masked %q: %q is left", sql, masked, tok.text)
			case sqllex.Text:
				inner := strings.ReplaceAll(strings.Trim(tok.text, "'"), "''", "'")
				if i == 0 || toks.at(i-1).word != "immediate" || Mask(inner) != inner {
					t.Errorf("%q: masked %q: %q is left", sql, masked, tok.text)
				}
			}
		}
		for tok := range sqllex.Tokens(masked) {
			if tok.Kind == sqllex.Comment {
				t.Errorf("%q: masked %q: comment %q is left", sql, masked, tok.Text)
			}
		}
	}
	return true
}

func TestMaskOfStatements(t *testing.T) {
	files := []string{"testdata/statements.sql", "testdata/generated.sql"}
	if corpus := os.Getenv("ATHENATRAIL_CORPUS"); corpus != "" {
		err := filepath.WalkDir(filepath.Join(corpus, "sql"), func(path string, entry os.DirEntry, err error) error {
			if err == nil && filepath.Ext(path) == ".sql" {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	all, kept := 0, 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range statements(string(data)) {
			all++
			if checkMask(t, sql) {
				kept++
			}
		}
	}
	t.Logf("%d of %d statements are kept", kept, all)
	if all < 400 || kept*100 < all*90 {
		t.Errorf("%d of %d statements are kept", kept, all)
	}
}

func TestMaskOfAnyText(t *testing.T) {
	pieces := []string{
		"SELECT", "FROM", "t", "db.t", `"a b"`, "`c`", "'", `"`, "`", `\`, `\'`, "''", "'x'", "--", "/*", "*/", "\n", "\r", "1", "2.5e-3", ".5", "0x1F",
		"EXECUTE", "IMMEDIATE", "U&", "X", "(", ")", "[", "]", ",", ";", "=", "-", "+", "?", " ", "CREATE", "EXTERNAL", "TABLE", "ALTER", "SHOW", "LIKE",
		"IN", "VALUES", "INSERT INTO", "LOCATION", "TBLPROPERTIES", "DESCRIBE", "\xff", "\u00a0", "é", "{", "5secret", "sales.2024_x", "ARRAY",
	}
	rapid.Check(t, func(t *rapid.T) {
		checkMask(t, strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 25).Draw(t, "sql"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between")))
	})
	// A secret in a literal does not come through, whatever is around it.
	rapid.Check(t, func(t *rapid.T) {
		part := func(name string) string {
			return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 12).Draw(t, name), " ")
		}
		sql := fmt.Sprintf("SELECT a FROM t WHERE b = 'secretvalue' AND %s c = 'x' %s", part("middle"), part("end"))
		if masked := Mask(sql); strings.Contains(masked, "secretvalue") {
			t.Errorf("%q: masked %q", sql, masked)
		}
	})
}

func FuzzMask(f *testing.F) {
	data, err := os.ReadFile("testdata/statements.sql")
	if err != nil {
		f.Fatal(err)
	}
	for _, sql := range statements(string(data)) {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) { checkMask(t, sql) })
}
