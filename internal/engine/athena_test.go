package engine_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/engine"
)

// open starts an Athena API that runs statements by run, and opens it.
func open(t *testing.T, change func(*engine.Athena), run func(context.Context, athenaapitest.Statement) (athenaapitest.Result, error)) (*sql.DB, *athenaapitest.Server, *engine.Meter) {
	t.Helper()
	api, err := athenaapitest.Start(athenaapitest.Config{
		Lookup: func(string, string, string) (athenaapitest.Execution, bool) { return athenaapitest.Execution{}, false },
		Run:    run,
		Keys:   []athenaapitest.Key{{ID: "AKIDEXAMPLE", Secret: "secret", Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/reports"}},
		Rates:  map[string]athenaapitest.Rate{"GetQueryExecution": athenaapitest.Unlimited},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { api.Close() })
	a := engine.Athena{
		Config: aws.Config{
			Region: "eu-west-1", BaseEndpoint: &api.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		},
		Database: "usage", OutputLocation: "s3://results/x/", Poll: time.Millisecond,
	}
	if change != nil {
		change(&a)
	}
	var meter engine.Meter
	db, err := a.Open(&meter)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db, api, &meter
}

func text(s string) *string { return &s }

// TestValues shows what cells become, NULL and an empty text apart.
func TestValues(t *testing.T) {
	columns := []athenaapitest.ResultColumn{
		{Name: "a", Type: "varchar"}, {Name: "b", Type: "varchar"}, {Name: "c", Type: "bigint"}, {Name: "d", Type: "double"}, {Name: "e", Type: "decimal"},
		{Name: "f", Type: "boolean"}, {Name: "g", Type: "date"}, {Name: "h", Type: "timestamp"}, {Name: "i", Type: "array"}, {Name: "j", Type: "array"}, {Name: "k", Type: "bigint"},
	}
	row := []*string{text(""), nil, text("-7"), text("1.5E9"), text("0.100000000"), text("true"), text("2026-11-02"), text("2026-11-02 03:04:05.678"), text("[1, 22]"), text("[a, b]"), nil}
	db, _, meter := open(t, nil, func(_ context.Context, s athenaapitest.Statement) (athenaapitest.Result, error) {
		if s.SQL != "SELECT everything" || s.Database != "usage" || s.Catalog != "AwsDataCatalog" || s.WorkGroup != "primary" || s.OutputLocation != "s3://results/x/" {
			return athenaapitest.Result{}, fmt.Errorf("started %+v", s)
		}
		return athenaapitest.Result{Columns: columns, Rows: [][]*string{row}, ScannedBytes: 99}, nil
	})
	rows, err := db.QueryContext(t.Context(), "SELECT everything")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil || types[4].DatabaseTypeName() != "DECIMAL" || types[7].DatabaseTypeName() != "TIMESTAMP" {
		t.Errorf("types %v, %v", types, err)
	}
	got := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range got {
		into[i] = &got[i]
	}
	if !rows.Next() {
		t.Fatal(rows.Err())
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(err)
	}
	want := []any{"", nil, int64(-7), 1.5e9, "0.100000000", true, time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 11, 2, 3, 4, 5, 678e6, time.UTC), []any{int64(1), int64(22)}, "[a, b]", nil}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if rows.Next() {
		t.Error("there is a second row")
	}
	if d := cmp.Diff([]engine.Statement{{State: "SUCCEEDED", ScannedBytes: 99}}, meter.Statements()); d != "" {
		t.Error(d)
	}
}

// TestPages reads results around the ends of pages, the first of which has 999
// rows, because of its header. A row that looks like the header is a row.
func TestPages(t *testing.T) {
	for _, n := range []int{0, 1, 998, 999, 1000, 1999, 2000, 2500} {
		db, api, _ := open(t, nil, func(context.Context, athenaapitest.Statement) (athenaapitest.Result, error) {
			r := athenaapitest.Result{Columns: []athenaapitest.ResultColumn{{Name: "n", Type: "varchar"}}}
			for i := range n {
				cell := strconv.Itoa(i)
				if i == 0 || i == 999 {
					cell = "n"
				}
				r.Rows = append(r.Rows, []*string{&cell})
			}
			return r, nil
		})
		rows, err := db.QueryContext(t.Context(), "SELECT n")
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for ; rows.Next(); got++ {
			var cell string
			if err := rows.Scan(&cell); err != nil || cell != strconv.Itoa(got) && (cell != "n" || got != 0 && got != 999) {
				t.Fatalf("row %d of %d is %q, %v", got, n, cell, err)
			}
		}
		if rows.Err() != nil || got != n {
			t.Errorf("%d rows, %v; want %d", got, rows.Err(), n)
		}
		rows.Close()
		// On a busy machine the SDK gives an answer up that takes long, and
		// asks again.
		if pages, want := api.Counts("GetQueryResults").Requests, n/1000+1; pages < want || pages > want+2 {
			t.Errorf("%d rows in %d calls, want %d", n, pages, want)
		}
	}
}

// TestFailures tells a wrong statement from an Athena that failed.
func TestFailures(t *testing.T) {
	for _, category := range []int{1, 2, 3} {
		db, _, meter := open(t, nil, func(context.Context, athenaapitest.Statement) (athenaapitest.Result, error) {
			return athenaapitest.Result{}, &athenaapitest.RunFailure{Category: category, Message: "line 1:8: Column 'x' cannot be resolved\nmore"}
		})
		_, err := db.QueryContext(t.Context(), "SELECT x")
		var said *engine.Error
		if !errors.As(err, &said) || said.UserError() != (category == 2) || !strings.HasSuffix(err.Error(), "is FAILED: line 1:8: Column 'x' cannot be resolved") {
			t.Errorf("category %d: %v", category, err)
		}
		if got := meter.Statements(); len(got) != 1 || got[0].State != "FAILED" {
			t.Errorf("category %d: noted %v", category, got)
		}
	}
	db, api, _ := open(t, nil, nil)
	if _, err := db.QueryContext(t.Context(), strings.Repeat("x", 262_145)); err == nil || !strings.Contains(err.Error(), "262144") || len(api.Operations()) > 0 {
		t.Errorf("a long statement: %v", err)
	}
	if _, err := db.QueryContext(t.Context(), "SELECT ?", 1); err == nil {
		t.Error("a statement with parameters was run")
	}
}

// TestStops shows that nothing goes on that nobody waits for.
func TestStops(t *testing.T) {
	stopped := make(chan struct{}, 1)
	run := func(ctx context.Context, _ athenaapitest.Statement) (athenaapitest.Result, error) {
		<-ctx.Done()
		stopped <- struct{}{}
		return athenaapitest.Result{}, ctx.Err()
	}
	db, api, _ := open(t, nil, run)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := db.QueryContext(ctx, "SELECT 1"); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	select {
	case <-stopped:
	case <-time.After(10 * time.Second):
		t.Error("the statement was not stopped")
	}
	if api.Counts("StopQueryExecution").Requests != 1 {
		t.Error("Athena was not told to stop")
	}
}

// TestCutoff stops a statement that scans too much; what it scanned is noted.
func TestCutoff(t *testing.T) {
	db, api, meter := open(t, func(a *engine.Athena) { a.Cutoff = 4_500_000 }, func(ctx context.Context, _ athenaapitest.Statement) (athenaapitest.Result, error) {
		<-ctx.Done()
		return athenaapitest.Result{}, ctx.Err()
	})
	_, err := db.QueryContext(t.Context(), "SELECT 1")
	if err == nil || !strings.Contains(err.Error(), "had scanned 5000000 bytes, and may scan 4500000") {
		t.Errorf("it ended with %v", err)
	}
	if d := cmp.Diff([]engine.Statement{{State: "CANCELLED", ScannedBytes: 5_000_000}}, meter.Statements()); d != "" || api.Counts("StopQueryExecution").Requests != 1 {
		t.Errorf("%s; %d calls to stop it", d, api.Counts("StopQueryExecution").Requests)
	}
}

// TestReuse asks twice: the second answer is the first's.
func TestReuse(t *testing.T) {
	ran := 0
	db, _, meter := open(t, func(a *engine.Athena) { a.Reuse = time.Hour }, func(context.Context, athenaapitest.Statement) (athenaapitest.Result, error) {
		ran++
		return athenaapitest.Result{Columns: []athenaapitest.ResultColumn{{Name: "n", Type: "bigint"}}, Rows: [][]*string{{text("5")}}, ScannedBytes: 1000}, nil
	})
	for range 2 {
		var n int64
		if err := db.QueryRowContext(t.Context(), "SELECT n").Scan(&n); err != nil || n != 5 {
			t.Fatalf("%d, %v", n, err)
		}
	}
	want := []engine.Statement{{State: "SUCCEEDED", ScannedBytes: 1000}, {State: "SUCCEEDED", Reused: true}}
	if d := cmp.Diff(want, meter.Statements()); d != "" || ran != 1 {
		t.Errorf("ran %d times: %s", ran, d)
	}
}

// TestSettings refuses what no engine could be asked with.
func TestSettings(t *testing.T) {
	for _, u := range []string{"", "localhost:8080", "ftp://x", "http://user:word@localhost:8080", "http://x:%zz"} {
		if _, err := (engine.Trino{URL: u, Catalog: "hive", Schema: "usage"}).Open(); err == nil || strings.Contains(err.Error(), "word") && !strings.Contains(err.Error(), "password") {
			t.Errorf("Trino at %q: %v", u, err)
		}
	}
	if _, err := (engine.Trino{URL: "http://x@localhost:1"}).Open(); err == nil || !strings.Contains(err.Error(), "catalog") {
		t.Errorf("Trino without a catalog: %v", err)
	}
	if _, err := (engine.Athena{Database: "x", Reuse: 8 * 24 * time.Hour}).Open(new(engine.Meter)); err == nil {
		t.Error("a reuse of eight days was taken")
	}
}
