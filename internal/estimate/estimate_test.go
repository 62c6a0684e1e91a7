package estimate_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/estimate"
	"github.com/athenatrail/athenatrail/internal/price"
	"github.com/athenatrail/athenatrail/internal/sqlref"
)

func TestRead(t *testing.T) {
	for sql, want := range map[string]estimate.Plan{
		"SELECT * FROM orders o JOIN sales.items i USING (id)":       {Reads: []string{"awsdatacatalog.crm.orders", "awsdatacatalog.sales.items"}, Scans: true, Known: true},
		"-- a note\n(WITH x AS (SELECT 1 FROM a.b) SELECT * FROM x)": {Reads: []string{"awsdatacatalog.a.b"}, Scans: true, Known: true},
		"INSERT INTO a.b SELECT * FROM a.c":                          {Reads: []string{"awsdatacatalog.a.c"}, Scans: true, Known: true},
		"CREATE TABLE a.b AS SELECT * FROM a.c":                      {Reads: []string{"awsdatacatalog.a.c"}, Scans: true, Known: true},
		"EXPLAIN ANALYZE SELECT * FROM a.c":                          {Reads: []string{"awsdatacatalog.a.c"}, Scans: true, Known: true},
		"EXPLAIN SELECT * FROM a.c":                                  {Known: true},
		"CREATE VIEW a.v AS SELECT * FROM a.c":                       {Known: true},
		"DROP TABLE a.b":                                             {Known: true},
		"SHOW TABLES IN a":                                           {Known: true},
		"SELECT 1":                                                   {Scans: true, Known: true},
		"how much is this?":                                          {},
		"":                                                           {},
	} {
		got := estimate.Read(estimate.Query{SQL: sql, Database: "crm"})
		want.Query, want.Fingerprint = got.Query, sqlref.Fingerprint(sql)
		if len(got.Tables) < len(got.Reads) {
			t.Errorf("%s: tables %q, reads %q", sql, got.Tables, got.Reads)
		}
		want.Tables = got.Tables
		if diff := cmp.Diff(&want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
}

func TestFiltered(t *testing.T) {
	yes, no := true, false
	catalog := map[string]estimate.Table{"awsdatacatalog.raw.clicks": {Partitions: []string{"dt"}}, "awsdatacatalog.raw.users": {}}
	for sql, want := range map[string]*bool{
		"SELECT * FROM raw.clicks WHERE dt = '2026-11-01'":                &yes,
		`SELECT * FROM raw.clicks WHERE "DT" = '2026-11-01'`:              &yes,
		"SELECT * FROM raw.clicks WHERE day = 'dt' -- dt":                 &no,
		"SELECT * FROM raw.users WHERE dt = 1":                            nil,
		"SELECT * FROM raw.clicks c, raw.users u WHERE u.adt = c.user_id": &no,
		"": nil,
	} {
		plan := estimate.Read(estimate.Query{SQL: sql})
		if diff := cmp.Diff(want, estimate.Filtered(sql, plan.Reads, catalog)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sql, diff)
		}
	}
}

const clicks, users = "awsdatacatalog.raw.clicks", "awsdatacatalog.raw.users"

// past is a run of SQL with so many bytes, i days ago.
func past(sql string, bytes int64, i int) *estimate.Run {
	r := &estimate.Run{ID: fmt.Sprint(sql, i), AccountID: "111122223333", RegionName: "eu-west-1", StatementType: "DML", State: "SUCCEEDED", DataScannedBytes: &bytes,
		QueryFingerprint: sqlref.Fingerprint(sql), StartedAt: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, -i)}
	r.TablesAccessed = estimate.Read(estimate.Query{SQL: sql}).Reads
	return r
}

func TestBases(t *testing.T) {
	prices, err := price.NewTable(price.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	size := int64(5 << 40)
	catalog := map[string]estimate.Table{clicks: {Partitions: []string{"dt"}, Bytes: &size}}
	const gb = 1 << 30
	unfiltered := past("SELECT count(*) FROM raw.clicks", 4000*gb, 1)
	unfiltered.Filtered = new(bool)
	for name, c := range map[string]struct {
		sql  string
		runs []*estimate.Run
		want string // basis, runs, low, likely, high in GiB
	}{
		"the same query": {"SELECT a FROM raw.clicks WHERE dt = '2026-11-02'", many("SELECT a FROM raw.clicks WHERE dt = '2026-10-01'", 100, gb), "query 100 10 50 95"},
		"few runs":       {"SELECT a FROM raw.clicks WHERE dt = '2026-11-02'", many("SELECT a FROM raw.clicks WHERE dt = '2026-10-01'", 3, gb), "query 3 0.5 2 6"},
		"one run":        {"SELECT a FROM raw.clicks WHERE dt = '2026-11-02'", many("SELECT a FROM raw.clicks WHERE dt = '2026-10-01'", 1, gb), "query 1 0.5 1 2"},
		"its tables, filtered": {"SELECT b FROM raw.clicks WHERE dt = '2026-11-02'",
			append(many("SELECT a FROM raw.clicks WHERE dt = '2026-10-01'", 10, gb), unfiltered), "tables 10 1 5 10"},
		"its tables, at most":      {"SELECT b FROM raw.clicks WHERE dt = '2026-11-02'", []*estimate.Run{unfiltered}, "tables 1 - - 8000"},
		"its tables, not filtered": {"SELECT b FROM raw.clicks", many("SELECT a FROM raw.clicks WHERE dt = '2026-10-01'", 10, gb), "size 0 - - 5120"},
		"each table": {"SELECT b FROM raw.clicks JOIN raw.users USING (id) WHERE dt = '2026-11-02'",
			append(many("SELECT a FROM raw.clicks WHERE dt = '2026-10-01'", 10, gb), many("SELECT a FROM raw.users", 20, gb)...), "table 10 3 15 29"},
		"one of its tables": {"SELECT b FROM raw.clicks JOIN raw.users USING (id) WHERE dt = '2026-11-02'", many("SELECT a FROM raw.clicks WHERE dt = '2026-10-01'", 10, gb), "not known 0 - - -"},
		"only a size":       {"SELECT b FROM raw.clicks", nil, "size 0 - - 5120"},
		"nothing":           {"SELECT b FROM raw.users", nil, "not known 0 - - -"},
		"no SQL":            {"what will it cost", nil, "not known 0 - - -"},
		"scans nothing":     {"DROP TABLE raw.clicks", nil, "kind 0 0 0 0"},
		"other account":     {"SELECT b FROM raw.users", moved(many("SELECT b FROM raw.users", 9, gb)), "query 9 1 5 9"},
	} {
		t.Run(name, func(t *testing.T) {
			h := estimate.NewHistory(estimate.Read(estimate.Query{SQL: c.sql}), catalog)
			for _, r := range c.runs {
				if h.Tells(r) {
					h.Add(r)
				}
			}
			e := h.Estimate(prices, athenatrail.DateOf(time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)), "")
			got := fmt.Sprint(e.Basis, " ", e.Runs)
			for i, b := range []*int64{e.Low, e.Likely, e.High} {
				if b == nil {
					got += " -"
					if e.Cost[i].Amount != nil {
						t.Errorf("a cost of what is not known: %+v", e.Cost[i])
					}
					continue
				}
				got += fmt.Sprint(" ", float64(*b)/gb)
				if want := athenatrail.Money(math.Round(float64(*b) / (1 << 40) * 5e9)); e.Region != "" && e.Basis != estimate.ByKind && (e.Cost[i].Amount == nil || *e.Cost[i].Amount != want) {
					t.Errorf("cost %+v of %d bytes, want %s", e.Cost[i], *b, want)
				}
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// many are n runs of 1, 2, ... units.
func many(sql string, n int, unit int64) (runs []*estimate.Run) {
	plan := estimate.Read(estimate.Query{SQL: sql})
	for i := range n {
		r := past(sql, int64(i+1)*unit, i)
		r.Filtered = estimate.Filtered(sql, plan.Reads, map[string]estimate.Table{clicks: {Partitions: []string{"dt"}}})
		runs = append(runs, r)
	}
	return runs
}

func moved(runs []*estimate.Run) []*estimate.Run {
	for _, r := range runs {
		r.AccountID, r.RegionName = "444455556666", "us-east-1"
	}
	return runs
}

// TestWhatDoesNotTell: runs that failed, were stopped or scanned nothing because
// their result was there say nothing of the next.
func TestWhatDoesNotTell(t *testing.T) {
	yes := true
	h := estimate.NewHistory(estimate.Read(estimate.Query{SQL: "SELECT a FROM raw.users", Account: "111122223333"}), nil)
	for name, change := range map[string]func(*estimate.Run){
		"failed":        func(r *estimate.Run) { r.State = "FAILED" },
		"stopped":       func(r *estimate.Run) { r.State = "CANCELLED" },
		"no bytes":      func(r *estimate.Run) { r.DataScannedBytes = nil },
		"reused":        func(r *estimate.Run) { r.ReusedResult = &yes },
		"other account": func(r *estimate.Run) { r.AccountID = "444455556666" },
		"other tables":  func(r *estimate.Run) { r.QueryFingerprint, r.TablesAccessed = "x", []string{clicks, users} },
		"writes it":     func(r *estimate.Run) { r.QueryFingerprint, r.TablesWritten = "x", []string{users} },
	} {
		r := past("SELECT a FROM raw.users", 5, 1)
		if !h.Tells(r) {
			t.Fatal("the run itself does not tell")
		}
		if change(r); h.Tells(r) {
			t.Errorf("%s: it tells", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, sql := range []string{"SELECT a FROM b.c WHERE dt = 1", "explain (", "\"", "create/**/table", "-- x", "(((("} {
		f.Add(sql)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		p := estimate.Read(estimate.Query{SQL: sql})
		if p.Scans && !p.Known {
			t.Errorf("%q scans and is not known", sql)
		}
		estimate.Filtered(sql, p.Reads, map[string]estimate.Table{strings.Join(p.Reads, ""): {Partitions: []string{"dt"}}})
	})
}
