package trinotest_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/cli"
	"github.com/athenatrail/athenatrail/internal/engine"
	"github.com/athenatrail/athenatrail/internal/report"
	"github.com/athenatrail/athenatrail/internal/s3test"
	"github.com/athenatrail/athenatrail/internal/trinotest"
)

// The window of the demo's days that views are asked for; the days before are
// compared with.
var window = []string{"--from", "2026-10-17", "--to", "2026-11-02"}

// run runs the program and returns what it prints on stdout and stderr.
func run(t *testing.T, args ...string) (string, string) {
	t.Helper()
	var out, talk bytes.Buffer
	if code := cli.Main(t.Context(), args, strings.NewReader(""), &out, &talk); code != 0 {
		t.Fatalf("athenatrail %s: exit %d\n%s", strings.Join(args, " "), code, talk.String())
	}
	return out.String(), talk.String()
}

// TestEngines makes the demo's lake in a real Trino and compares: every view of
// the program's with DuckDB's answer, row for row and cell for cell, asked of
// Trino itself and, for some, of the Athena API in front of it.
func TestEngines(t *testing.T) {
	if testing.Short() {
		t.Skip("starting Trino takes a while")
	}
	s3 := s3test.Start(t)
	server := trinotest.Start(t, s3)
	db, err := engine.Trino{URL: server.URL, Catalog: trinotest.Catalog, Schema: "athenatrail", Source: "test"}.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	t.Run("unload", func(t *testing.T) { unloads(t, db, s3) })
	t.Run("lake", func(t *testing.T) { overLake(t, db, s3, server) })
}

// overLake asks everything of the demo's lake.
func overLake(t *testing.T, db *sql.DB, s3 *s3test.Server, server *trinotest.Server) {
	lake := filepath.Join(t.TempDir(), "lake")
	run(t, "demo", "--no-serve", "--quiet", "--events", "150", "--lake", lake)
	bucket := s3.Bucket(t)
	upload(t, s3, bucket, lake)

	settings := fmt.Sprintf("{database: athenatrail, catalog: %s, trino_url: %q}", trinotest.Catalog, server.URL)
	t.Setenv("ATHENATRAIL_ENGINE", settings)
	script, _ := run(t, "ddl", "trino", "--lake", lake, "--location", "s3://"+bucket, "--catalog", trinotest.Catalog, "--compat")
	define(t, db, script)
	t.Run("definitions", func(t *testing.T) { definitions(t, db, lake) })
	t.Run("views", func(t *testing.T) {
		for _, v := range report.Views() {
			t.Run(v.Name, func(t *testing.T) { same(t, "trino", lake, append([]string{"report"}, asked[v.Name]...)...) })
		}
		for _, args := range more {
			t.Run(strings.Join(args, " "), func(t *testing.T) { same(t, "trino", lake, args...) })
		}
	})
	t.Run("limits", func(t *testing.T) {
		same(t, "trino", lake, "limits", "status", "--config", filepath.Join(lake, "athenatrail.yaml"), "--at", "2026-10-30T12:00", "--top", "0")
	})
	t.Run("days", func(t *testing.T) { days(t, lake) })
	t.Run("errors", func(t *testing.T) { wrong(t, lake) })
	t.Run("athena", func(t *testing.T) { athena(t, db, lake) })
	t.Run("compacted", func(t *testing.T) {
		_, talk := run(t, "lake", "compact", "--lake", lake)
		upload(t, s3, bucket, lake)
		for _, view := range []string{"users", "tables", "overview"} {
			same(t, "trino", lake, append([]string{"report"}, asked[view]...)...)
		}
		text, _ := run(t, "query", "SELECT CAST(max(dt) AS VARCHAR) AS boundary, (SELECT count(*) FROM query_executions_closed) AS closed FROM boundary", "--lake", lake, "--engine", "trino", "--output", "json")
		if !strings.Contains(text, `"boundary":"2026-`) || strings.Contains(text, `"closed":0`) {
			t.Errorf("nothing is closed: %s\n%s", text, talk)
		}
	})
}

// asked is how each view is asked; those that have no entry fail.
var asked = func() map[string][]string {
	all := map[string][]string{
		"who-reads": {"who-reads", "sales.orders"}, "notebook-activity": {"notebook-activity", "theo-churn"},
		"usage": {"usage", "--by", "team,day"},
	}
	for _, v := range report.Views() {
		if all[v.Name] == nil {
			all[v.Name] = []string{v.Name}
		}
	}
	return all
}()

// more are the other ways of a view's SQL: rows instead of roll-ups, values
// that are bound, other groupings.
var more = [][]string{
	{"report", "users", "--where", "person_trust=vouched"},
	{"report", "overview", "--where", "source_ip!=203.0.113.*"},
	{"report", "tables", "--where", "statement_type=DML"},
	{"report", "accounts", "--by", "ou"},
	{"report", "queries", "--where", "person=it's \\ %_ \"?\" -- /*", "--where", "hour!=7", "--where", "own=false"},
	{"report", "usage", "--by", "hour,person", "--timezone", "Asia/Kathmandu", "--limit", "30"},
	{"report", "spend", "--timezone", "America/New_York"},
	{"report", "users", "--sort", "-p95_ms", "--limit", "3"},
}

// same asks DuckDB and an engine, and compares.
func same(t *testing.T, name, lake string, args ...string) {
	t.Helper()
	args = append(args, "--lake", lake, "--output", "json")
	if args[0] == "report" {
		args = append(args, window...)
		if !strings.Contains(strings.Join(args, " "), "--limit") {
			args = append(args, "--limit", "0")
		}
	}
	want, _ := run(t, append(args, "--engine", "duckdb")...)
	got, _ := run(t, append(args, "--engine", name)...)
	if d := cmp.Diff(rows(t, want), rows(t, got)); d != "" {
		t.Errorf("%s differs from DuckDB (-) in:\n%s", name, d)
	}
	if want != got {
		t.Errorf("%s differs from DuckDB in what is not a row", name)
	}
}

// rows returns the rows of a result with all digits of their numbers.
func rows(t *testing.T, text string) []map[string]any {
	t.Helper()
	var page struct{ Rows []map[string]any }
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&page); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return page.Rows
}

// upload copies what engines read of a lake into a bucket.
func upload(t *testing.T, s3 *s3test.Server, bucket, lake string) {
	t.Helper()
	err := filepath.WalkDir(lake, func(path string, entry fs.DirEntry, err error) error {
		name, _ := filepath.Rel(lake, path)
		name = filepath.ToSlash(name)
		if err != nil || entry.IsDir() || !strings.HasPrefix(name, "tables/") && !strings.HasPrefix(name, "facts/") || !strings.HasSuffix(name, ".parquet") {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil {
			s3.Put(t, bucket, name, data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// statements cuts a script as it is written.
func statements(script string) []string {
	var list []string
	for part := range strings.SplitSeq(script, ";\n") {
		for part = strings.TrimSpace(part); strings.HasPrefix(part, "--"); {
			_, part, _ = strings.Cut(part, "\n")
			part = strings.TrimSpace(part)
		}
		if part != "" {
			list = append(list, part)
		}
	}
	return list
}

func define(t *testing.T, db *sql.DB, script string) {
	t.Helper()
	for _, s := range statements(script) {
		if strings.HasPrefix(s, "USE ") { // the session has it from the start
			continue
		}
		result, err := db.QueryContext(t.Context(), s)
		if err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
		for result.Next() {
		}
		if err := result.Err(); err != nil {
			t.Fatalf("%v\n%s", err, s)
		}
		result.Close()
	}
}

// definitions compares the tables with DuckDB's: the columns of each view with
// their order and types, and all rows of some.
func definitions(t *testing.T, db *sql.DB, lake string) {
	for _, view := range append(report.Tables(), "queries", "accounts", "work_groups", "catalog_tables", "catalog_grants") {
		text, _ := run(t, "query", "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '"+view+"' ORDER BY column_index", "--lake", lake, "--output", "json")
		want := rows(t, text)
		result, err := db.QueryContext(t.Context(), "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = 'athenatrail' AND table_name = '"+view+"' ORDER BY ordinal_position")
		if err != nil {
			t.Fatal(err)
		}
		var got []map[string]any
		for result.Next() {
			var name, kind string
			if err := result.Scan(&name, &kind); err != nil {
				t.Fatal(err)
			}
			got = append(got, map[string]any{"column_name": name, "data_type": duckName(kind)})
		}
		result.Close()
		if d := cmp.Diff(want, got); d != "" || len(got) == 0 {
			t.Errorf("%s: %s", view, d)
		}
	}
	for _, query := range []string{
		"SELECT * FROM query_texts ORDER BY account_id, region_name, dt, text_hash",
		"SELECT * FROM reference ORDER BY account_id, region_name, kind, id, dt",
		"SELECT query_execution_id, query_string, cost, submission_date_time, mfa, dt FROM queries ORDER BY account_id, region_name, query_execution_id NULLS LAST, event_id",
		"SELECT table_name, gone, column_count, table_bytes, created_at, dt FROM catalog_tables ORDER BY 1, account_id, region_name, dt",
		"SELECT * FROM sessions ORDER BY account_id, region_name, session_id NULLS LAST, event_id",
	} {
		same(t, "trino", lake, "query", query)
	}
}

// duckName is how DuckDB calls a type of Trino's.
func duckName(kind string) string {
	switch {
	case kind == "timestamp(3)":
		return "TIMESTAMP"
	case kind == "array(varchar)":
		return "VARCHAR[]"
	case strings.HasPrefix(kind, "varchar"):
		return "VARCHAR"
	}
	return strings.ToUpper(strings.ReplaceAll(kind, " ", ""))
}

// days compares the sums of views by days with the views over all days.
func days(t *testing.T, lake string) {
	for view, keys := range map[string]string{
		"users": "person, person_kind", "teams": "team", "workgroups": "account_id, region_name, work_group_name", "databases": "database_name", "tools": "tool",
		"users-databases": "person, person_kind, database_name",
	} {
		over, _ := run(t, "query", "SELECT "+keys+", sum(executions) AS executions, sum(cost) AS cost FROM report_"+strings.ReplaceAll(view, "-", "_")+" GROUP BY "+keys,
			"--lake", lake, "--engine", "trino", "--output", "json")
		sums := map[string]string{}
		key := func(r map[string]any) string {
			var parts []string
			for name := range strings.SplitSeq(keys, ", ") {
				parts = append(parts, fmt.Sprint(r[name]))
			}
			return strings.Join(parts, "|")
		}
		for _, r := range rows(t, over) {
			sums[key(r)] = fmt.Sprint(r["executions"], " ", r["cost"])
		}
		text, _ := run(t, "report", view, "--lake", lake, "--from", "2026-09-01", "--to", "2026-11-03", "--limit", "0", "--output", "json")
		want := map[string]string{}
		for _, r := range rows(t, text) {
			want[key(r)] = fmt.Sprint(r["executions"], " ", r["cost"])
		}
		if d := cmp.Diff(want, sums); d != "" {
			t.Errorf("report_%s: %s", view, d)
		}
	}
	text, _ := run(t, "query", "SELECT count(*) AS n, count(datascanned) AS known FROM athena_api_output", "--lake", lake, "--engine", "trino", "--output", "json")
	want, _ := run(t, "query", "SELECT count(*) AS n, count(data_scanned_bytes) AS known FROM query_executions WHERE query_execution_id IS NOT NULL AND state IS NOT NULL", "--lake", lake, "--output", "json")
	if text != want {
		t.Errorf("athena_api_output: %s, want %s", text, want)
	}
}

// wrong shows how a mistake in a statement ends.
func wrong(t *testing.T, lake string) {
	for query, want := range map[string]string{
		"SELECT nothing_like_it FROM queries": "cannot be resolved",
		"DROP TABLE boundary":                 "only a SELECT can be run",
		"SELECT 1; SELECT 2":                  "one SELECT at a time",
		"/* nothing */":                       "there is no statement",
	} {
		var out, talk bytes.Buffer
		code := cli.Main(t.Context(), []string{"query", query, "--lake", lake, "--engine", "trino"}, strings.NewReader(""), &out, &talk)
		if code != 2 || !strings.Contains(talk.String(), want) {
			t.Errorf("%s: exit %d, %s; want 2 and %q", query, code, talk.String(), want)
		}
	}
}

// athena asks by the Athena API, which hands the SQL to Trino.
func athena(t *testing.T, db *sql.DB, lake string) {
	var started []athenaapitest.Statement
	api := startAthena(t, func(ctx context.Context, s athenaapitest.Statement) (athenaapitest.Result, error) {
		started = append(started, s)
		return ask(ctx, db, s.SQL)
	})
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": api.URL, "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1",
		"ATHENATRAIL_ENGINE": "{database: athenatrail, output_location: 's3://results/x/', result_reuse: 1h}",
	} {
		t.Setenv(name, value)
	}
	for _, view := range []string{"users", "queries", "overview"} {
		t.Run(view, func(t *testing.T) { same(t, "athena", lake, append([]string{"report"}, asked[view]...)...) })
	}
	for _, s := range started {
		if s.Database != "athenatrail" || s.Catalog != "AwsDataCatalog" || s.OutputLocation != "s3://results/x/" || s.WorkGroup != "primary" || !strings.Contains(s.UserAgent, "athenatrail/") {
			t.Errorf("started in %+v", s)
		}
	}
	t.Run("serve", func(t *testing.T) { serves(t, lake, func() int { return api.Counts("StartQueryExecution").Requests }) })
	t.Run("pages", func(t *testing.T) {
		// 2,500 rows are three pages, of which the first has 999 rows.
		const query = "SELECT CAST(a.n * 100 + b.n AS BIGINT) AS n FROM (SELECT row_number() OVER () - 1 AS n FROM usage_rollup LIMIT 25) AS a CROSS JOIN (SELECT row_number() OVER () - 1 AS n FROM usage_rollup LIMIT 100) AS b ORDER BY 1"
		same(t, "athena", lake, "query", query)
		if got := api.Counts("GetQueryResults").Requests; got < 3 {
			t.Errorf("%d calls of GetQueryResults", got)
		}
	})
	t.Run("cost", func(t *testing.T) {
		const query = "SELECT count(*) AS n, CAST(NULL AS VARCHAR) AS nothing, '' AS empty FROM usage_rollup"
		_, first := run(t, "query", query, "--lake", lake, "--engine", "athena")
		_, second := run(t, "query", query, "--lake", lake, "--engine", "athena")
		if !strings.Contains(first, "athena: 1 statement scanned 11.8 MiB") || !strings.Contains(second, "answered from an earlier result") {
			t.Errorf("first %q, then %q", first, second)
		}
		same(t, "athena", lake, "query", query)
	})
	t.Run("errors", func(t *testing.T) {
		var out, talk bytes.Buffer
		code := cli.Main(t.Context(), []string{"query", "SELECT nothing_like_it FROM queries", "--lake", lake, "--engine", "athena"}, strings.NewReader(""), &out, &talk)
		if code != 2 || !strings.Contains(talk.String(), "cannot be resolved") {
			t.Errorf("exit %d, %s", code, talk.String())
		}
		if got := api.Counts("GetQueryExecution"); got.Requests == 0 {
			t.Error("no state was asked for")
		}
	})
}

// ask runs a statement on Trino and writes its cells as Athena does.
func ask(ctx context.Context, db *sql.DB, query string) (r athenaapitest.Result, err error) {
	failed := func(err error) error {
		category := 1
		if e, ok := err.(*engine.Error); ok && e.User {
			category = 2
		}
		return &athenaapitest.RunFailure{Category: category, Message: err.Error()}
	}
	result, err := db.QueryContext(ctx, query)
	if err != nil {
		return r, failed(err)
	}
	defer result.Close()
	types, err := result.ColumnTypes()
	if err != nil {
		return r, err
	}
	for _, c := range types {
		kind, _, _ := strings.Cut(strings.ToLower(c.DatabaseTypeName()), "(")
		r.Columns = append(r.Columns, athenaapitest.ResultColumn{Name: c.Name(), Type: kind})
	}
	for result.Next() {
		cells := make([]any, len(types))
		into := make([]any, len(types))
		for i := range cells {
			into[i] = &cells[i]
		}
		if err := result.Scan(into...); err != nil {
			return r, err
		}
		row := make([]*string, len(cells))
		for i, v := range cells {
			row[i] = athenaText(r.Columns[i].Type, v)
		}
		r.Rows = append(r.Rows, row)
	}
	r.ScannedBytes = 12_345_678
	if err := result.Err(); err != nil {
		return r, failed(err)
	}
	return r, nil
}

// athenaText writes a value as GetQueryResults has it.
func athenaText(kind string, v any) *string {
	var text string
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		text = v
	case float64:
		text = strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		if text = v.Format(time.DateOnly); kind != "date" {
			text = v.Format("2006-01-02 15:04:05.000")
		}
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, fmt.Sprint(x))
		}
		text = "[" + strings.Join(parts, ", ") + "]"
	default:
		text = fmt.Sprint(v)
	}
	return &text
}

// TestMissingTrino shows the two ways in which a missing Trino ends.
func TestMissingTrino(t *testing.T) {
	t.Chdir(t.TempDir())
	for forbid, want := range map[string]string{"1": "fatal", "": "skip"} {
		t.Setenv(s3test.ForbidSkip, forbid)
		r := &recorder{TB: t}
		func() {
			defer func() {
				if x := recover(); x != nil && x != r {
					panic(x)
				}
			}()
			trinotest.Start(r, nil)
		}()
		if r.end != want || !strings.Contains(r.message, "scripts/install-test-servers.sh") {
			t.Errorf("with %s=%q: %s %q, want %s", s3test.ForbidSkip, forbid, r.end, r.message, want)
		}
	}
}

// A recorder is a test whose end is seen instead of happening.
type recorder struct {
	testing.TB
	end, message string
}

func (r *recorder) stop(end string, args []any) {
	r.end = end
	r.message, _ = args[0].(string)
	panic(r)
}
func (r *recorder) Fatal(args ...any) { r.stop("fatal", args) }
func (r *recorder) Skip(args ...any)  { r.stop("skip", args) }
