package export_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/export"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// The tracker's range of days was never gone through: its configuration named
// a start and an end, and one hour was written.
func TestTrackerRangeOfThreeDaysWrites72Hours(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", ""))
	e := f.export(f.options("2026-05-04 00:00:00", "2026-05-07 00:00:00"))
	if e.sum.Hours != 72 || len(e.files) != 72 || e.sum.Written != 72 || e.sum.Rows != 1 {
		t.Fatalf("%d files, %+v", len(e.files), e.sum)
	}
	empty := e.files["year=2026/month=05/day=04/hour=00/query_executions.csv"]
	if !strings.HasPrefix(empty, "query_execution_id,account_id,") || strings.Count(empty, "\n") != 1 || !strings.HasSuffix(empty, "\r\n") {
		t.Errorf("an hour in which nothing ran: %q", empty)
	}
	if full := e.files["year=2026/month=05/day=05/hour=10/query_executions.csv"]; !strings.HasPrefix(full, empty) || !strings.Contains(full, "\r\na,111122223333,") {
		t.Errorf("%q", full)
	}
}

// The tracker's hours included both of their edges, so that a query of the
// full hour was in two files.
func TestTrackerHoursAreHalfOpen(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-05",
		ran("first", "2026-05-05 10:00:00", ""), ran("last", "2026-05-05 10:59:59.999", ""), ran("next", "2026-05-05 11:00:00", ""))
	e := f.export(f.options("2026-05-05 10:00:00", "2026-05-05 12:00:00"))
	mustEqual(t, e.column("query_execution_id"), []string{"first", "last", "next"})
	mustEqual(t, e.column("file"), []string{
		"year=2026/month=05/day=05/hour=10/query_executions.csv", "year=2026/month=05/day=05/hour=10/query_executions.csv",
		"year=2026/month=05/day=05/hour=11/query_executions.csv",
	})
}

// AthenaMetrics looked at the 24 hours before it ran, whenever that was, so
// that days had gaps and overlaps. And a row's partition is the day of its
// event: Athena may have taken the call on the other side of midnight.
func TestAthenaMetricsHasNoGapAndNoOverlapAtMidnight(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-04", ran("a", "2026-05-04 23:59:59.999", ""), ran("b", "2026-05-05 00:00:00.1", ""), ran("c", "2026-05-03 23:59:59.5", ""))
	f.put("2026-05-05", ran("d", "2026-05-05 00:00:00", ""), ran("e", "2026-05-04 23:59:59.9", ""), ran("f", "2026-05-06 00:00:00", ""))
	want := map[string]string{"2026-05-03": "c", "2026-05-04": "ea", "2026-05-05": "db", "2026-05-06": "f"}
	whole := f.options("2026-05-03 00:00:00", "2026-05-07 00:00:00")
	whole.Columns = export.AthenaMetrics
	all := f.export(whole)
	mustEqual(t, strings.Join(all.column("queryid"), ""), "ceadbf")
	for on, ids := range want {
		from := at(on + " 00:00:00")
		o := whole
		o.From, o.To = from, from.AddDate(0, 0, 1)
		one := f.export(o)
		mustEqual(t, strings.Join(one.column("queryid"), ""), ids)
		for name, data := range one.files {
			if all.files[name] != data {
				t.Errorf("%s alone is not %s of the range", name, name)
			}
		}
	}
}

// The tracker wrote CSV whatever OUTPUT_TYPE said.
func TestTrackerJSONIsJSON(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", f.sql("SELECT 1")), ran("b", "2026-05-05 10:31:00", ""))
	o := f.options("2026-05-05 10:00:00", "2026-05-05 12:00:00")
	o.Columns, o.Output = export.Tracker, export.JSON
	e := f.export(o)
	var rows []map[string]any
	parseJSON(t, e.files["year=2026/month=05/day=05/hour=10/report_2026_05_05_h10.json"], &rows)
	if len(rows) != 2 || rows[0]["Query"] != "SELECT 1" || rows[1]["Query"] != nil || len(rows[0]) != 7 {
		t.Errorf("%v", rows)
	}
	if empty := e.files["year=2026/month=05/day=05/hour=11/report_2026_05_05_h11.json"]; empty != "[]\n" && empty != "[\n]\n" {
		t.Errorf("nothing is %q", empty)
	}
	parseJSON(t, e.files["year=2026/month=05/day=05/hour=11/report_2026_05_05_h11.json"], &rows)
	if len(rows) != 0 {
		t.Errorf("%v", rows)
	}
	if len(e.files) != 2 {
		t.Errorf("%d files", len(e.files))
	}
}

// A call that was denied has no id in its answer, and the tracker dropped it.
func TestTrackerHasDeniedCalls(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-05", denied("event-1", "2026-05-05 10:30:00"), ran("a", "2026-05-05 10:30:00", f.sql("SELECT 1")))
	o := f.options("2026-05-05 10:00:00", "2026-05-05 11:00:00")
	o.Columns = export.Tracker
	e := f.export(o)
	mustEqual(t, e.files["year=2026/month=05/day=05/hour=10/report_2026_05_05_h10.csv"], strings.Join([]string{
		"LambdaRunTime(EST),Username,QueryStartTime(EST),QueryEndTime(EST),Query,QueryExecutionId,Athena_Workgroup",
		"2026-05-05T07:00:00-04:00,rosa@example.com,2026-05-05T06:30:00-04:00,,,,analysts",
		"2026-05-05T07:00:00-04:00,rosa@example.com,2026-05-05T06:30:00-04:00,2026-05-05T06:30:01.500000-04:00,SELECT 1,a,analysts", "",
	}, "\r\n"))
	o.Columns = export.All
	mustEqual(t, f.export(o).column("error_code"), []string{"AccessDenied", ""})
	o.Columns = export.Focus // what did not run is no charge
	mustEqual(t, f.export(o).column("x_QueryExecutionId"), []string{"a"})
}

// The tracker wrote the time at which it ran into every row, and kept no state
// that it read: a rerun made other files. So does AthenaMetrics, which writes
// the batch before once more where a batch fails.
func TestTrackerRerunHasTheSameBytesAndWritesNothing(t *testing.T) {
	f := newFixture(t)
	var rows []athenatrail.QueryExecution
	for i := range 200 {
		rows = append(rows, ran(fmt.Sprintf("id-%03d", i), fmt.Sprintf("2026-05-05 %02d:%02d:00", i%5, i%60), f.sql(fmt.Sprintf("SELECT %d", i%7))))
	}
	f.put("2026-05-05", rows...)
	for _, columns := range []string{export.All, "all,query_string", export.Tracker, export.AthenaMetrics, export.Focus, "person,cost"} {
		for _, output := range export.Outputs {
			o := f.options("2026-05-05 00:00:00", "2026-05-05 06:00:00")
			o.Columns, o.Output = columns, output
			first := f.export(o)
			o.Dest = first.dest
			again := f.export(o)
			if again.sum.Written != 0 || again.sum.Unchanged != 6 || first.sum.Written != 6 || first.sum.Rows != 200 {
				t.Errorf("%s %s: %+v after %+v", columns, output, again.sum, first.sum)
			}
			o.Dest = nil
			mustEqual(t, f.export(o).files, first.files)
		}
	}
}

// Only the hours of which the lake has learnt more are written again.
func TestOnlyWhatChangedIsWritten(t *testing.T) {
	f := newFixture(t)
	waiting := ran("b", "2026-05-05 11:30:00", "")
	waiting.Gap, waiting.State = athenatrail.GapPending, "RUNNING"
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", ""), waiting)
	o := f.options("2026-05-05 10:00:00", "2026-05-05 13:00:00")
	first := f.export(o)
	if first.sum.Waiting != 1 || first.sum.WaitingHours != 1 {
		t.Errorf("%+v", first.sum)
	}
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", ""), ran("b", "2026-05-05 11:30:00", ""))
	o.Dest, o.DryRun = first.dest, true
	if dry := f.export(o); dry.sum.Written != 1 || dry.sum.Unchanged != 2 || dry.files["year=2026/month=05/day=05/hour=11/query_executions.csv"] != first.files["year=2026/month=05/day=05/hour=11/query_executions.csv"] {
		t.Errorf("a dry run: %+v", dry.sum)
	}
	o.DryRun = false
	second := f.export(o)
	if second.sum.Written != 1 || second.sum.Unchanged != 2 || second.sum.Waiting != 0 {
		t.Errorf("%+v", second.sum)
	}
}

// TestEveryRowIsInOneFile exports random rows by zones, with rows waiting in
// memory and on disk, and finds each of them once, with its SQL.
func TestEveryRowIsInOneFile(t *testing.T) {
	f := newFixture(t)
	random := rand.New(rand.NewPCG(1, 2))
	want := map[string]string{}
	begin := at("2026-10-30 00:00:00")
	for d := range 4 {
		var rows []athenatrail.QueryExecution
		for i := range 300 {
			when := begin.AddDate(0, 0, d).Add(time.Duration(random.Int64N(int64(24*time.Hour+2*time.Second))) - time.Second).Truncate(time.Millisecond)
			id := fmt.Sprintf("%d-%03d", d, i)
			sql := f.sql(fmt.Sprintf("SELECT '%s'\r\n, \"%d\"\n", strings.Repeat("x", random.IntN(300)), random.IntN(40)))
			rows = append(rows, ran(id, when.Format("2006-01-02 15:04:05.000"), sql))
			want[id] = strings.ReplaceAll(sql, "\r\n", "\n") // as encoding/csv reads it
		}
		f.put(begin.AddDate(0, 0, d).Format(time.DateOnly), rows...)
	}
	for _, name := range []string{"UTC", "America/New_York", "Asia/Kolkata"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Skip(err)
		}
		o := f.options("2026-10-29 22:00:00", "2026-11-03 02:00:00")
		o.Zone, o.Columns = zone, "query_execution_id,query_string,submission_date_time"
		got := map[string]string{}
		e := f.export(o)
		spilling := withDest(t, o)
		if _, err := export.RunHolding(t.Context(), spilling, 10_000); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, filesOf(t, spilling.Dest), e.files)
		last, before := "", ""
		for _, row := range e.rows() {
			id := row["query_execution_id"]
			if _, twice := got[id]; twice {
				t.Fatalf("%s: %s twice", name, id)
			}
			got[id] = row["query_string"]
			when, err := time.Parse(time.RFC3339Nano, row["submission_date_time"])
			if err != nil {
				t.Fatal(err)
			}
			if folder := when.In(zone).Format("year=2006/month=01/day=02/hour=15/"); !strings.HasPrefix(row["file"], folder) {
				t.Fatalf("%s: %s of %s lies in %s", name, id, when, row["file"])
			}
			if now := when.Format("2006-01-02T15:04:05.000") + id; row["file"] == last && now <= before {
				t.Fatalf("%s: %s comes too late", name, id)
			} else {
				last, before = row["file"], now
			}
		}
		mustEqual(t, len(got), len(want))
		for id := range want {
			if got[id] != want[id] {
				t.Fatalf("%s: the SQL of %s is %q, want %q", name, id, got[id], want[id])
			}
		}
	}
}

// The repeated hour of autumn holds both, and the missing one of spring is not
// there.
func TestClocksArePutBackAndForward(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Skip(err)
	}
	f := newFixture(t)
	f.put("2026-11-01", ran("summer", "2026-11-01 05:30:00", ""), ran("winter", "2026-11-01 06:30:00", ""))
	o := f.options("2026-11-01 04:00:00", "2026-11-02 05:00:00")
	o.Zone, o.Columns = zone, export.Tracker
	e := f.export(o)
	if len(e.files) != 24 || e.sum.To.Sub(e.sum.From) != 25*time.Hour {
		t.Errorf("%d files, %+v", len(e.files), e.sum)
	}
	mustEqual(t, e.files["year=2026/month=11/day=01/hour=01/report_2026_11_01_h01.csv"], strings.Join([]string{
		"LambdaRunTime(EST),Username,QueryStartTime(EST),QueryEndTime(EST),Query,QueryExecutionId,Athena_Workgroup",
		"2026-11-01T02:00:00-05:00,rosa@example.com,2026-11-01T01:30:00-04:00,2026-11-01T01:30:01.500000-04:00,,summer,analysts",
		"2026-11-01T02:00:00-05:00,rosa@example.com,2026-11-01T01:30:00-05:00,2026-11-01T01:30:01.500000-05:00,,winter,analysts", "",
	}, "\r\n"))
	o.From, o.To = at("2026-03-08 05:00:00"), at("2026-03-09 04:00:00")
	e = f.export(o)
	if _, there := e.files["year=2026/month=03/day=08/hour=02/report_2026_03_08_h02.csv"]; len(e.files) != 23 || there {
		t.Errorf("%d files", len(e.files))
	}
}

// An hour that is not complete has no file, unless it is asked for: a file
// says that all of its hour is in it.
func TestIncompleteHoursHaveNoFile(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", ""), ran("b", "2026-05-05 11:05:00", ""))
	o := f.options("2026-05-05 10:00:00", "2026-05-05 14:00:00")
	o.CompleteTo = at("2026-05-05 11:20:00")
	e := f.export(o)
	if len(e.files) != 1 || e.sum.LeftOut != 3 || !e.sum.LeftOutFrom.Equal(at("2026-05-05 11:00:00")) {
		t.Errorf("%d files, %+v", len(e.files), e.sum)
	}
	o.Incomplete = true
	if e := f.export(o); len(e.files) != 4 || e.sum.LeftOut != 0 || e.sum.Rows != 2 {
		t.Errorf("%d files, %+v", len(e.files), e.sum)
	}
	// By default it is the 168 hours before the one that has begun, and
	// nothing that was asked for is left out.
	o.From, o.To, o.Incomplete = time.Time{}, time.Time{}, false
	if e := f.export(o); len(e.files) != 168 || e.sum.LeftOut != 0 || !e.sum.To.Equal(at("2026-05-05 11:00:00")) || e.sum.Before != 157 {
		t.Errorf("%d files, %+v", len(e.files), e.sum)
	}
	o.From = at("2026-05-05 11:00:00")
	if _, err := export.Run(t.Context(), withDest(t, o)); !errors.Is(err, export.ErrIncomplete) {
		t.Errorf("%v", err)
	}
	o.CompleteTo = time.Time{} // not known
	if _, err := export.Run(t.Context(), withDest(t, o)); !errors.Is(err, export.ErrUsage) {
		t.Errorf("%v", err)
	}
}

func withDest(t *testing.T, o export.Options) export.Options {
	t.Helper()
	var err error
	if o.Dest, err = lake.OpenStore(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	return o
}

func TestRefusals(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", ""))
	inside, err := lake.OpenStore(f.lake.String() + "/tables/export")
	if err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(o *export.Options){
		`output "table": want csv, json, jsonl or parquet`:                             func(o *export.Options) { o.Output = "table" },
		`table "queries": want query_executions, sessions, calculations or activity`:   func(o *export.Options) { o.Table = "queries" },
		`query_executions has no column "persom": did you mean person?`:                func(o *export.Options) { o.Columns = "cost,persom" },
		`query_executions has no column ""`:                                            func(o *export.Options) { o.Columns = "cost,,person" },
		`person is named twice`:                                                        func(o *export.Options) { o.Columns = "all,person" },
		`columns tracker stand alone`:                                                  func(o *export.Options) { o.Columns = "tracker,cost" },
		`columns focus are of query_executions, not of sessions`:                       func(o *export.Options) { o.Columns, o.Table = "focus", "sessions" },
		`sessions has no column "query_string"`:                                        func(o *export.Options) { o.Columns, o.Table = "query_string", "sessions" },
		`from 2026-05-05T10:00:00Z is not before to 2026-05-05T10:00:00Z`:              func(o *export.Options) { o.To = o.From },
		`want at most 100000`:                                                          func(o *export.Options) { o.From = at("2010-01-01 00:00:00") },
		`lies in the lake`:                                                             func(o *export.Options) { o.Dest = inside },
		`from 2026-05-05T10:00:00Z: the lake is complete to 2026-05-05T09:59:00Z only`: func(o *export.Options) { o.To, o.CompleteTo = time.Time{}, at("2026-05-05 09:59:00") },
	} {
		o := withDest(t, f.options("2026-05-05 10:00:00", "2026-05-05 14:00:00"))
		change(&o)
		if _, err := export.Run(t.Context(), o); !errors.Is(err, export.ErrUsage) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// What the lake does not know of an hour is told, not hidden.
func TestSummaryTellsWhatIsLess(t *testing.T) {
	f := newFixture(t)
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", ""))
	p := athenatrail.Partition{Date: athenatrail.DateOf(at("2026-05-05 00:00:00")), Account: account, Region: region}
	if err := f.lake.Mark(t.Context(), p, "run-1"); err != nil {
		t.Fatal(err)
	}
	o := f.options("2026-05-04 22:00:00", "2026-05-05 11:00:00")
	o.DerivedWith = "other settings"
	if s := f.export(o).sum; s.Outdated != 1 || s.Underived != 1 || s.Before != 2 || !s.Begins.Equal(at("2026-05-05 00:00:00")) {
		t.Errorf("%+v", s)
	}
	o.DerivedWith = "settings"
	if s := f.export(o).sum; s.Outdated != 0 {
		t.Errorf("%+v", s)
	}
}

// A forgotten or masked text leaves an empty cell, and every other text is
// found in the partition that its row names.
func TestSQLIsJoinedByItsKey(t *testing.T) {
	f := newFixture(t)
	gone := ran("gone", "2026-05-05 10:30:00", "SELECT 'never stored'")
	eve := ran("eve", "2026-05-05 10:31:00", f.sql("SELECT 'of the day before'"))
	eve.TextDt = "2026-05-04"
	bad := ran("bad", "2026-05-05 10:32:00", f.sql("SELECT 1"))
	rows := []athenatrail.QueryExecution{gone, eve, bad, ran("same", "2026-05-05 11:32:00", f.sql("SELECT 1"))}
	f.put("2026-05-05", rows...)
	rows[2].TextDt = "../../etc"
	f.texts = nil
	f.put("2026-05-05", rows...)
	o := f.options("2026-05-05 10:00:00", "2026-05-05 12:00:00")
	o.Columns = "query_string,query_execution_id"
	e := f.export(o)
	mustEqual(t, e.column("query_string"), []string{"", "SELECT 'of the day before'", "", "SELECT 1"})
	o.Columns = export.All // which has no SQL, and does not read it
	if _, there := e.rows()[0]["query_string"]; !there {
		t.Error("no query_string")
	}
	if _, there := f.export(o).rows()[0]["query_string"]; there {
		t.Error("all has the SQL")
	}
}

// TestS3 exports to a bucket what it exports to a folder, and writes nothing
// the second time.
func TestS3(t *testing.T) {
	server := s3test.Start(t)
	f := newFixture(t)
	f.put("2026-05-05", ran("a", "2026-05-05 10:30:00", f.sql("SELECT 1")), ran("b", "2026-05-05 22:30:00", f.sql("SELECT 2")))
	bucket := server.Bucket(t)
	store, err := lake.NewS3Store(server.Client(), bucket, "some/export")
	if err != nil {
		t.Fatal(err)
	}
	for _, output := range export.Outputs {
		o := f.options("2026-05-05 00:00:00", "2026-05-06 00:00:00")
		o.Columns, o.Output, o.NoHeader = "all,query_string", output, output == export.CSV
		want := f.export(o)
		o.Dest = store
		got := f.export(o)
		for name, data := range want.files {
			if got.files[name] != data {
				t.Errorf("%s: %q, on disk %q", name, got.files[name], data)
			}
		}
		times := modified(t, store)
		again := f.export(o)
		if got.sum.Written != 24 || again.sum.Written != 0 || again.sum.Unchanged != 24 {
			t.Errorf("%+v, then %+v", got.sum, again.sum)
		}
		mustEqual(t, modified(t, store), times)
	}
	missing, err := lake.NewS3Store(server.Client(), "no-such-bucket", "")
	if err != nil {
		t.Fatal(err)
	}
	o := f.options("2026-05-05 00:00:00", "2026-05-06 00:00:00")
	o.Dest = missing
	if _, err := export.Run(t.Context(), o); !errors.Is(err, export.ErrDestination) || !strings.Contains(err.Error(), `there is no bucket "no-such-bucket"`) {
		t.Errorf("%v", err)
	}
}

func modified(t *testing.T, s lake.Store) (files []string) {
	t.Helper()
	for file, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fmt.Sprint(file.Key, " ", file.ETag, " ", file.Modified))
	}
	return files
}
