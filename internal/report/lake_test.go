package report

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/athenatrail/athenatrail"
)

const (
	accountA = "111122223333"
	accountB = "444455556666"
)

// A lakeDir collects rows and writes them where a lake has them.
type lakeDir struct {
	t          testing.TB
	executions []athenatrail.QueryExecution
	activity   []athenatrail.Activity
	sessions   []athenatrail.Session
	calcs      []athenatrail.Calculation
	texts      []athenatrail.QueryText
	catalog    []athenatrail.Reference
	noRollup   bool
}

func writeFile[T any](t testing.TB, path string, rows []T) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := parquet.NewGenericWriter[T](f)
	for i := range rows { // one at a time: given several, parquet-go 0.32 writes some NULLs as "" (its issue 154)
		if _, err := w.Write(rows[i : i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func writeTable[T any](t testing.TB, root, folder string, rows []T, home func(*T) athenatrail.Partition) {
	t.Helper()
	files := map[athenatrail.Partition][]T{}
	for i := range rows {
		p := home(&rows[i])
		files[p] = append(files[p], rows[i])
	}
	for p, rows := range files {
		writeFile(t, filepath.Join(root, folder, "dt="+p.Date.String(), p.Name()+".parquet"), rows)
	}
}

// write writes the rows and the roll-up that belongs to them, and returns the
// lake's folder.
func (l *lakeDir) write() string {
	l.t.Helper()
	root := l.t.TempDir()
	writeTable(l.t, root, "tables/query_executions_open", l.executions, func(e *athenatrail.QueryExecution) athenatrail.Partition {
		return athenatrail.NewPartition(e.SubmissionDateTime, e.AccountID, e.RegionName)
	})
	writeTable(l.t, root, "tables/activity_open", l.activity, func(a *athenatrail.Activity) athenatrail.Partition {
		return athenatrail.NewPartition(a.EventTime, a.AccountID, a.RegionName)
	})
	writeTable(l.t, root, "tables/sessions_open", l.sessions, func(s *athenatrail.Session) athenatrail.Partition {
		return athenatrail.NewPartition(s.StartedAt, s.AccountID, s.RegionName)
	})
	writeTable(l.t, root, "tables/calculations_open", l.calcs, func(c *athenatrail.Calculation) athenatrail.Partition {
		return athenatrail.NewPartition(c.SubmittedAt, c.AccountID, c.RegionName)
	})
	writeTable(l.t, root, "facts/query_texts", l.texts, func(q *athenatrail.QueryText) athenatrail.Partition { return q.Home })
	writeTable(l.t, root, "facts/catalog", l.catalog, func(r *athenatrail.Reference) athenatrail.Partition { return r.Home })
	if !l.noRollup {
		writeTable(l.t, root, "tables/usage_rollup_open", rollup(l.executions, l.sessions), func(u *athenatrail.UsageRollup) athenatrail.Partition {
			return athenatrail.NewPartition(u.Slot, u.AccountID, u.RegionName)
		})
		writeTable(l.t, root, "tables/table_rollup_open", tableRollup(l.executions), func(u *athenatrail.TableRollup) athenatrail.Partition {
			return athenatrail.NewPartition(u.Slot, u.AccountID, u.RegionName)
		})
	}
	return root
}

// rollup sums executions and sessions as the design says a roll-up does.
func rollup(executions []athenatrail.QueryExecution, sessions []athenatrail.Session) []athenatrail.UsageRollup {
	sums := map[athenatrail.UsageKey]*athenatrail.UsageRollup{}
	for _, e := range executions {
		key := athenatrail.UsageKey{Slot: e.SubmissionDateTime.Truncate(athenatrail.SlotLength), Kind: athenatrail.UsageSQL,
			Person: e.Person, PersonKind: e.PersonKind, PersonSource: e.PersonSource, Team: e.Team, RoleName: e.RoleName,
			AccountID: e.AccountID, RegionName: e.RegionName, WorkGroupName: e.WorkGroupName, Tool: e.Tool, DatabaseName: e.DatabaseName,
			State: e.State, Gap: e.Gap, CostBasis: e.CostBasis, Currency: e.Currency, Probe: e.Probe, Own: e.Own}
		u := sums[key]
		if u == nil {
			u = &athenatrail.UsageRollup{UsageKey: key}
			sums[key] = u
		}
		u.Executions++
		if e.State == "FAILED" || e.Gap == athenatrail.GapNotStarted {
			u.Failed++
		}
		if e.ReusedResult != nil && *e.ReusedResult {
			u.Reused++
		}
		if e.DataScannedBytes != nil {
			u.Known++
			u.DataScannedBytes += *e.DataScannedBytes
			u.MaxScannedBytes = max(u.MaxScannedBytes, *e.DataScannedBytes)
		}
		if e.BilledBytes != nil {
			u.BilledBytes += *e.BilledBytes
		}
		if e.Cost != nil {
			u.Cost += *e.Cost
		}
		if e.TotalMillis != nil {
			u.TotalMillis += *e.TotalMillis
			*u.Latency(athenatrail.LatencyBucket(*e.TotalMillis))++
		}
	}
	for _, s := range sessions {
		key := athenatrail.UsageKey{Slot: s.StartedAt.Truncate(athenatrail.SlotLength), Kind: athenatrail.UsageSpark,
			Person: s.Person, PersonKind: s.PersonKind, PersonSource: s.PersonSource, Team: s.Team, RoleName: s.RoleName,
			AccountID: s.AccountID, RegionName: s.RegionName, WorkGroupName: s.WorkGroupName, Tool: s.Tool,
			State: s.State, Gap: s.Gap, CostBasis: s.CostBasis, Currency: s.Currency}
		u := sums[key]
		if u == nil {
			u = &athenatrail.UsageRollup{UsageKey: key}
			sums[key] = u
		}
		u.Executions++
		if s.State == "FAILED" || s.Gap == athenatrail.GapNotStarted {
			u.Failed++
		}
		if s.DPUMillis != nil {
			u.Known++
			u.DPUMillis += *s.DPUMillis
		}
		if s.Cost != nil {
			u.Cost += *s.Cost
		}
	}
	var list []athenatrail.UsageRollup
	for _, u := range sums {
		list = append(list, *u)
	}
	return list
}

func ptr[T any](v T) *T { return &v }

// execution returns a complete execution of a person.
func execution(n int, at time.Time, who string, bytes int64, cost athenatrail.Money) athenatrail.QueryExecution {
	e := athenatrail.QueryExecution{
		QueryExecutionID: fmt.Sprintf("%08x-0000-4000-8000-%012x", n*7919, n), EventID: fmt.Sprintf("%08x-aaaa-4000-8000-%012x", n*104729, n),
		AccountID: accountA, RegionName: "eu-west-1", Hour: int32(at.Hour()),
		WorkGroupName: "primary", CatalogName: "AwsDataCatalog", DatabaseName: "sales", StatementType: "DML", State: "SUCCEEDED",
		SubmissionDateTime: at, CompletionDateTime: at.Add(time.Second), EngineVersion: "Athena engine version 3",
		DataScannedBytes: &bytes, BilledBytes: ptr(max(bytes, 10<<20)), Cost: &cost, Currency: "USD", CostBasis: athenatrail.BasisList,
		TotalMillis: ptr(int64(1200)), EngineMillis: ptr(int64(1000)), ReusedResult: ptr(false),
		TablesAccessed: []string{"awsdatacatalog.sales.orders"}, TablesSource: "sql",
	}
	e.Person, e.PersonKind, e.PersonSource, e.PersonTrust, e.Team = who, athenatrail.PersonHuman, athenatrail.SourceSSOSession, athenatrail.TrustVouched, athenatrail.TeamUnassigned
	return e
}

// week is the window of the tests: seven days to the morning of this Sunday.
var (
	weekEnd   = time.Date(2026, 11, 8, 0, 0, 0, 0, time.UTC)
	weekStart = weekEnd.AddDate(0, 0, -7)
	week      = Params{From: weekStart, To: weekEnd}
)

// randomExecutions returns n executions of the window and of the eight days
// before it, of every shape that a lake has.
func randomExecutions(n int) []athenatrail.QueryExecution {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[r.IntN(len(s))] }
	var list []athenatrail.QueryExecution
	for i := range n {
		at := weekEnd.Add(-time.Duration(r.Int64N(int64(15*24*time.Hour/time.Millisecond))) * time.Millisecond)
		bytes := r.Int64N(1 << uint(10+r.IntN(33)))
		e := execution(i+1, at, pick("alice@example.com", "bob@example.com", "carol", "AnalystRole", "etl", "zoë"), bytes, athenatrail.Money(bytes/1000+1))
		e.AccountID, e.RegionName = pick(accountA, accountB), pick("eu-west-1", "cn-north-1")
		e.WorkGroupName, e.DatabaseName, e.Tool = pick("primary", "etl", "", "bi's"), pick("sales", "web", ""), pick("", "dbt", "redash")
		e.Team = pick("unassigned", "data")
		if e.Tool == "dbt" {
			e.ToolDetail = pick("model.shop.orders", "model.shop.customers", "")
		} else if e.Tool == "redash" {
			e.ToolDetail = pick("query 12", "model.shop.orders")
		}
		e.RoleName = pick("", "Shared", "AWSReservedSSO_Analyst_0123456789abcdef")
		switch e.Person {
		case "AnalystRole":
			e.PersonKind, e.PersonSource, e.PersonTrust, e.RoleName = athenatrail.PersonUnknown, athenatrail.SourceRole, "", "AnalystRole"
		case "etl":
			e.PersonKind, e.PersonSource, e.PersonTrust = athenatrail.PersonService, athenatrail.SourceRole, ""
		case "carol":
			e.PersonSource = pick(athenatrail.SourceIdentityCenter, athenatrail.SourceSessionName)
			if e.PersonSource == athenatrail.SourceSessionName {
				e.PersonTrust = athenatrail.TrustSession
			}
		case "zoë":
			e.PersonSource, e.PersonTrust = athenatrail.SourceQueryComment, athenatrail.TrustAsserted
		}
		if e.RegionName == "cn-north-1" {
			e.Currency = "CNY"
		}
		e.TotalMillis = ptr(r.Int64N(1 << uint(r.IntN(30))))
		e.SourceIP = pick("192.0.2.1", "192.0.2.2", "athena.amazonaws.com")
		unknown := func() {
			e.DataScannedBytes, e.BilledBytes, e.Cost, e.Currency, e.CostBasis, e.TotalMillis, e.ReusedResult = nil, nil, nil, "", "", nil, nil
		}
		switch r.IntN(12) {
		case 0:
			e.State, e.Cost, e.BilledBytes, e.CostBasis = "FAILED", ptr(athenatrail.Money(0)), ptr(int64(0)), athenatrail.BasisFree
			e.ErrorCategory, e.ErrorType, e.StateChangeReason = ptr(int32(2)), ptr(int32(1306)), "COLUMN_NOT_FOUND: line 1"
		case 1:
			unknown()
			e.State, e.Gap, e.QueryExecutionID = "", athenatrail.GapNotStarted, ""
			e.ErrorCode, e.ErrorMessage = "AccessDeniedException", "not authorized"
		case 2:
			unknown()
			e.State, e.Gap = "RUNNING", athenatrail.GapPending
		case 3:
			unknown()
			e.State, e.Gap = "", athenatrail.GapExpired
		case 4:
			e.Probe, e.DataScannedBytes, e.Cost = true, ptr(int64(0)), ptr(athenatrail.Money(47684))
		case 5:
			e.Own = true
		case 6:
			e.CostBasis, e.Cost, e.Currency, e.BilledBytes = athenatrail.BasisCapacity, nil, "", nil
		case 7:
			e.ReusedResult, e.Cost, e.CostBasis = ptr(true), ptr(athenatrail.Money(0)), athenatrail.BasisFree
		}
		touchTables(&e, i)
		list = append(list, e)
	}
	return list
}

func open(t testing.TB, root string, o Options) *DB {
	t.Helper()
	d, err := Open(context.Background(), root, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// answer runs a view and returns its rows as maps by column.
func answer(t testing.TB, d *DB, view string, p Params) []map[string]any {
	t.Helper()
	r, err := d.Report(context.Background(), view, p)
	if err != nil {
		t.Fatal(err)
	}
	return records(t, r.Columns, func() ([][]any, error) { return r.All() })
}

// mustFail checks that an error is one of usage and says each of the words.
func mustFail(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error on more than one line: %q", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("got error %q, want %q in it", err, w)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
