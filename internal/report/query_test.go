package report

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

func TestQueryTypes(t *testing.T) {
	d := open(t, t.TempDir(), Options{})
	f := func(expression string, want any) {
		t.Helper()
		r, err := d.Query(context.Background(), "SELECT "+expression+" AS x", 0)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			return
		}
		rows, err := r.All()
		if err != nil || len(rows) != 1 {
			t.Errorf("%s: %v, %v", expression, rows, err)
			return
		}
		if d := cmp.Diff(want, rows[0][0]); d != "" {
			t.Errorf("%s: %s", expression, d)
		}
	}
	f("NULL", nil)
	f("''", "")
	f("'a'", "a")
	f("CAST(1 AS TINYINT)", int64(1))
	f("9223372036854775807", int64(1<<63-1))
	f("CAST(18446744073709551615 AS UBIGINT)", json.Number("18446744073709551615"))
	f("CAST('170141183460469231731687303715884105727' AS HUGEINT)", json.Number("170141183460469231731687303715884105727"))
	f("CAST('123456789.123456789' AS DECIMAL(18,9))", json.Number("123456789.123456789"))
	f("CAST('-0.000000001' AS DECIMAL(18,9))", json.Number("-0.000000001"))
	f("CAST(100 AS DECIMAL(5,0))", json.Number("100"))
	f("CAST('99999999999999999999999999999.999999999' AS DECIMAL(38,9))", json.Number("99999999999999999999999999999.999999999"))
	f("0.5e0", 0.5)
	f("true", true)
	f("DATE '2026-11-01'", weekStart)
	f("TIMESTAMP '2026-11-01 10:20:30.123'", weekStart.Add(10*time.Hour+20*time.Minute+30*time.Second+123*time.Millisecond))
	f("TIMESTAMPTZ '2026-11-01 12:00:00+02:00'", weekStart.Add(10*time.Hour))
	f("TIME '10:20:30'", "10:20:30")
	f("INTERVAL '1' DAY", "0 months 1 days 0s")
	f("['a', NULL]", []any{"a", nil})
	f("[CAST(1.5 AS DECIMAL(3,1))]", []any{json.Number("1.5")})
	f("{'b': 1, 'a': [2]}", map[string]any{"b": int64(1), "a": []any{int64(2)}})
	f("CAST('0f8fad5b-d9cb-469f-a165-70867728950e' AS UUID)", "0f8fad5b-d9cb-469f-a165-70867728950e")
	f("CAST('ab' AS BLOB)", "6162")
}

func TestQueryLimitAndNames(t *testing.T) {
	d := open(t, t.TempDir(), Options{})
	ctx := context.Background()
	for _, sql := range []string{"SELECT * FROM range(10) AS r(i) ORDER BY i DESC", "FROM range(10) AS r(i) ORDER BY i DESC; ", "SELECT i FROM range(10) AS r(i) ORDER BY i DESC -- all;", "SELECT i FROM range(10) AS r(i) ORDER BY i DESC; -- all"} {
		r, err := d.Query(ctx, sql, 3)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := r.All()
		if d := cmp.Diff([][]any{{int64(9)}, {int64(8)}, {int64(7)}}, rows); err != nil || d != "" || !r.More {
			t.Errorf("%s: %v %s, more %t", sql, err, d, r.More)
		}
	}
	r, err := d.Query(ctx, "SELECT 1 AS a, 2 AS a, 3 AS a_2, 4 AS a", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.All(); err != nil || r.More {
		t.Errorf("%v, more %t", err, r.More)
	}
	seen := map[string]bool{}
	for _, c := range r.Columns {
		if seen[c.Name] {
			t.Errorf("two columns %s", c.Name)
		}
		seen[c.Name] = true
	}
	r, err = d.Query(ctx, "DESCRIBE queries", 0)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := r.All(); err != nil || len(rows) < 50 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
}

// A user's statement reads the lake and nothing else, and changes nothing.
func TestQueryIsLockedDown(t *testing.T) {
	l := &lakeDir{t: t, executions: randomExecutions(5)}
	root := l.write()
	secret := filepath.Join(root, "secret.csv")
	if err := os.WriteFile(secret, []byte("a\n1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	d := open(t, root, Options{})
	f := func(sql string, words ...string) {
		t.Helper()
		r, err := d.Query(context.Background(), sql, 10)
		if err == nil {
			_, err = r.All()
		}
		mustFail(t, err, append(words, "query: ")...)
		if !errors.Is(err, ErrUsage) {
			t.Errorf("%s: %v is no usage error", sql, err)
		}
		if err != nil && strings.Contains(err.Error(), "LINE 1") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	table := filepath.Join(root, "tables/query_executions_open")
	f("SELECT * FROM read_csv('/etc/passwd')", "read_csv is not allowed")
	f("SELECT * FROM READ_TEXT('/etc/passwd')", "not allowed")
	f("SELECT (SELECT count(*) FROM glob('/etc/*'))", "glob is not allowed")
	f("WITH x AS (SELECT * FROM read_blob('/etc/passwd')) SELECT * FROM x", "not allowed")
	f("SELECT * FROM query('SELECT 1')", "query is not allowed")
	f("SELECT * FROM query_table('queries')", "not allowed")
	f("SELECT * FROM enable_logging(storage = 'file', storage_path = '"+table+"')", "not allowed")
	f("SELECT * FROM '" + secret + "'")
	f("SELECT * FROM '/etc/passwd.csv'")
	f("COPY (SELECT 1) TO '"+table+"/x.csv'", "only a SELECT")
	f("COPY (SELECT 1) TO '/tmp/athenatrail-must-not-be.csv'", "only a SELECT")
	f("ATTACH '"+table+"/x.db'", "only a SELECT")
	f("INSTALL httpfs", "only a SELECT")
	f("LOAD httpfs", "only a SELECT")
	f("EXPORT DATABASE '/tmp/x'", "only a SELECT")
	f("SET enable_external_access = true", "only a SELECT")
	f("PRAGMA enable_profiling", "only a SELECT")
	f("CREATE TABLE x AS SELECT 1", "only a SELECT")
	f("DROP VIEW queries", "only a SELECT")
	f("EXPLAIN ANALYZE COPY (SELECT 1) TO '"+table+"/x.csv'", "only a SELECT")
	f("SELECT 1; DROP VIEW queries")
	f("SELECT 1; SELECT 2", "one SELECT at a time")
	f("SELECT 1) UNION ALL (SELECT 2", "syntax error")
	f("", "")
	f("-- nothing", "")
	f("selec 1", `syntax error at or near "selec"`)
	f("SELECT nope FROM queries", "nope")
	f("SELECT * FROM nope", "nope does not exist")
	if d := cmp.Diff(before, tree(t, root)); d != "" {
		t.Errorf("the lake changed: %s", d)
	}
	// Beneath the guard, DuckDB itself reaches no other file.
	for _, sql := range []string{
		"SELECT * FROM read_csv('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/athenatrail-must-not-be.csv'", "ATTACH '/tmp/athenatrail-must-not-be.db'",
		"INSTALL httpfs", "LOAD httpfs", "SET enable_external_access = true", "SET allowed_directories = ['/']",
	} {
		if _, err := d.db.Exec(sql); err == nil {
			t.Errorf("DuckDB ran %s", sql)
		}
	}
	if len(answer(t, d, "queries", Params{From: weekStart.AddDate(0, 0, -30), To: weekEnd})) == 0 {
		t.Error("the views are gone")
	}
}

// tree returns every path below root with its size.
func tree(t *testing.T, root string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	err := filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			sizes[path] = info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sizes
}

func TestQueryFailsOnItsWay(t *testing.T) {
	d := open(t, t.TempDir(), Options{})
	_, err := d.Query(context.Background(), "SELECT CAST(concat('a', i) AS INTEGER) FROM range(3) AS r(i)", 0)
	mustFail(t, err, "query: ", "'a0'")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := d.Query(ctx, "SELECT sum(a.i * b.i) FROM range(10000000) AS a(i), range(1000000) AS b(i)", 0); err == nil {
		t.Error("a cancelled query ended well")
	}
	if time.Since(start) > 20*time.Second {
		t.Error("cancelling did not stop the query")
	}
}

func TestQueriesView(t *testing.T) {
	l := &lakeDir{t: t}
	at := weekStart.Add(time.Hour)
	sql := "SELECT *\nFROM orders WHERE name = 'O''Brien'"
	hash := athenatrail.HashText(sql)
	for i, account := range []string{accountA, accountB, accountA} {
		e := execution(i+1, at, "alice", 1, athenatrail.Money(3-i))
		e.AccountID, e.TextHash, e.TextDt = account, hash, "2026-11-01"
		if i == 2 {
			e.TextDt = "2026-11-02" // nothing lies there
		}
		l.executions = append(l.executions, e)
	}
	l.texts = []athenatrail.QueryText{{Home: athenatrail.NewPartition(at, accountA, "eu-west-1"), TextHash: hash, QueryString: sql}}
	d := open(t, l.write(), Options{})
	r, err := d.Query(context.Background(), "SELECT account_id, text_dt, query_string, dt FROM queries ORDER BY cost DESC", 0)
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.All()
	want := [][]any{{accountA, "2026-11-01", sql, weekStart}, {accountB, "2026-11-01", nil, weekStart}, {accountA, "2026-11-02", nil, weekStart}}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
	var texts []any
	for _, r := range answer(t, d, "queries", week) {
		texts = append(texts, r["query_string"])
	}
	if d := cmp.Diff([]any{sql, nil, nil}, texts); d != "" {
		t.Error(d)
	}
}
