package export_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/export"
	"github.com/athenatrail/athenatrail/internal/lake"
)

const (
	account = "111122223333"
	region  = "eu-west-1"
)

func at(text string) time.Time {
	t, err := time.Parse("2006-01-02 15:04:05.999", text)
	if err != nil {
		panic(err)
	}
	return t
}

func ptr[T any](v T) *T { return &v }

// ran is an execution that ran on a partition of its own day.
func ran(id, when, sql string) athenatrail.QueryExecution {
	t := at(when)
	q := athenatrail.QueryExecution{
		QueryExecutionID: id, AccountID: account, RegionName: region, EventID: "event-" + id, Hour: int32(t.Hour()),
		WorkGroupName: "analysts", CatalogName: "awsdatacatalog", DatabaseName: "sales", StatementType: "DML", SubstatementType: "SELECT",
		TablesAccessed:     []string{"awsdatacatalog.sales.orders", "awsdatacatalog.sales.\"a,b\""},
		SubmissionDateTime: t, CompletionDateTime: t.Add(1500 * time.Millisecond), State: "SUCCEEDED",
		DataScannedBytes: ptr(int64(123_456_789)), BilledBytes: ptr(int64(124_780_544)), Cost: ptr(athenatrail.Money(567_436)),
		Currency: "USD", CostBasis: athenatrail.BasisList, DPUCount: ptr(2.5), EngineMillis: ptr(int64(1200)), ReusedResult: ptr(false),
	}
	q.Person, q.PersonSource, q.PersonKind, q.Team = "rosa@example.com", athenatrail.SourceSSOSession, athenatrail.PersonHuman, "finance"
	if sql != "" {
		q.TextHash, q.TextDt = athenatrail.HashText(sql), t.Format(time.DateOnly)
	}
	return q
}

// denied is a call that started nothing.
func denied(event, when string) athenatrail.QueryExecution {
	q := ran("", when, "")
	q = athenatrail.QueryExecution{
		AccountID: account, RegionName: region, EventID: event, Hour: q.Hour, Gap: athenatrail.GapNotStarted, Who: q.Who,
		WorkGroupName: "analysts", SubmissionDateTime: q.SubmissionDateTime, ErrorCode: "AccessDenied",
	}
	return q
}

// A fixture is a lake and what it is exported with.
type fixture struct {
	t     testing.TB
	lake  *lake.Lake
	texts map[string]string // by hash
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, l, map[string]string{}}
}

// sql remembers a text, for ran.
func (f *fixture) sql(text string) string {
	f.texts[athenatrail.HashText(text)] = text
	return text
}

// put writes a partition with its texts.
func (f *fixture) put(on string, rows ...athenatrail.QueryExecution) {
	f.t.Helper()
	date, err := athenatrail.ParseDate(on)
	if err != nil {
		f.t.Fatal(err)
	}
	p := athenatrail.Partition{Date: date, Account: account, Region: region}
	if _, err := lake.WriteTable(f.t.Context(), f.lake, lake.QueryExecutions, p, lake.QueryExecutions.Sorted(rows), "settings"); err != nil {
		f.t.Fatal(err)
	}
	texts := map[athenatrail.Partition][]athenatrail.QueryText{}
	for _, row := range rows {
		if sql, ok := f.texts[row.TextHash]; ok {
			d, err := athenatrail.ParseDate(row.TextDt)
			if err != nil {
				f.t.Fatal(err)
			}
			home := p.On(d)
			texts[home] = append(texts[home], athenatrail.QueryText{Home: home, TextHash: row.TextHash, QueryString: sql})
		}
	}
	for home, rows := range texts {
		if _, err := lake.Merge(f.t.Context(), f.lake, lake.QueryTexts, home, rows); err != nil {
			f.t.Fatal(err)
		}
	}
}

// An exported is what an export left.
type exported struct {
	t     testing.TB
	sum   *export.Summary
	dest  lake.Store
	files map[string]string
}

func (f *fixture) options(from, to string) export.Options {
	o := export.Options{Lake: f.lake, CompleteTo: at("2030-01-01 00:00:00")}
	if from != "" {
		o.From = at(from)
	}
	if to != "" {
		o.To = at(to)
	}
	return o
}

func (f *fixture) export(o export.Options) *exported {
	f.t.Helper()
	if o.Dest == nil {
		var err error
		if o.Dest, err = lake.OpenStore(f.t.TempDir()); err != nil {
			f.t.Fatal(err)
		}
	}
	sum, err := export.Run(f.t.Context(), o)
	if err != nil {
		f.t.Fatal(err)
	}
	return &exported{f.t, sum, o.Dest, filesOf(f.t, o.Dest)}
}

func filesOf(t testing.TB, s lake.Store) map[string]string {
	t.Helper()
	files := map[string]string{}
	for file, err := range s.List(context.Background(), "") {
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.Read(context.Background(), file.Key)
		if err != nil {
			t.Fatal(err)
		}
		files[file.Key] = string(data)
	}
	return files
}

// rows returns the rows of all CSV files as maps, in the order of their files.
func (e *exported) rows() (rows []map[string]string) {
	e.t.Helper()
	var names []string
	for name := range e.files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r := csv.NewReader(strings.NewReader(e.files[name]))
		header, err := r.Read()
		if err != nil {
			e.t.Fatalf("%s: %v", name, err)
		}
		for {
			record, err := r.Read()
			if err == io.EOF {
				break
			}
			if err != nil {
				e.t.Fatalf("%s: %v", name, err)
			}
			row := map[string]string{"file": name}
			for i, cell := range record {
				row[header[i]] = cell
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func (e *exported) column(name string) (cells []string) {
	e.t.Helper()
	for _, row := range e.rows() {
		cells = append(cells, row[name])
	}
	return cells
}

func mustEqual[T any](t testing.TB, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%#v", got), fmt.Sprintf("%#v", want); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
}

func parseJSON(t testing.TB, data string, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(data)))
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		t.Fatalf("%v in %q", err, data)
	}
	if d.More() {
		t.Fatalf("more than one value in %q", data)
	}
}
