package meter

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/estimate"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/price"
)

var noon = time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC)

func execution(id string, at time.Time, bytes *int64) athenatrail.QueryExecution {
	e := athenatrail.QueryExecution{
		QueryExecutionID: id, AccountID: "111122223333", RegionName: "eu-west-1", State: "SUCCEEDED", QueryFingerprint: "f",
		SubmissionDateTime: at, DataScannedBytes: bytes, TablesAccessed: []string{"awsdatacatalog.raw.clicks"},
	}
	e.Person, e.PersonKind, e.PersonSource, e.Team = "rosa", "human", "sso_session", "sales"
	if bytes == nil {
		e.State, e.Gap = "RUNNING", athenatrail.GapPending
	}
	return e
}

// write derives nothing: it writes rows where a lake has them, with a roll-up
// of their bytes.
func write(t *testing.T, l *lake.Lake, day athenatrail.Date, rows ...athenatrail.QueryExecution) {
	t.Helper()
	p := athenatrail.Partition{Date: day, Account: "111122223333", Region: "eu-west-1"}
	if _, err := lake.WriteTable(t.Context(), l, lake.QueryExecutions, p, lake.QueryExecutions.Sorted(rows), "x"); err != nil {
		t.Fatal(err)
	}
	var sums []athenatrail.UsageRollup
	for i := range rows {
		e := &rows[i]
		u := athenatrail.UsageRollup{UsageKey: athenatrail.UsageKey{
			Slot: day.Time().Add(time.Duration(i) * athenatrail.SlotLength), Kind: athenatrail.UsageSQL, Person: e.Person, PersonKind: e.PersonKind,
			PersonSource: e.PersonSource, Team: e.Team, AccountID: e.AccountID, RegionName: e.RegionName, State: e.State, Gap: e.Gap,
		}, Executions: 1}
		if e.DataScannedBytes != nil {
			u.Known, u.DataScannedBytes = 1, *e.DataScannedBytes
		}
		sums = append(sums, u)
	}
	if _, err := lake.WriteTable(t.Context(), l, lake.UsageRollup, p, lake.UsageRollup.Sorted(sums), "x"); err != nil {
		t.Fatal(err)
	}
}

func newLake(t *testing.T) (*lake.Lake, string) {
	t.Helper()
	dir := t.TempDir()
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	return l, dir
}

func compile(t *testing.T, d limit.Definition) *limit.Limits {
	t.Helper()
	ls, err := limit.Compile([]limit.Definition{d}, limit.Options{Zone: time.UTC, LoadZone: time.LoadLocation})
	if err != nil {
		t.Fatal(err)
	}
	return ls
}

func bytes(n int64) *int64 { return &n }

// TestReadsWhatItNeeds puts damaged files on days that nothing needs: they would
// fail a read of them.
func TestReadsWhatItNeeds(t *testing.T) {
	l, dir := newLake(t)
	today := athenatrail.DateOf(noon)
	write(t, l, today, execution("a", noon.Add(-time.Hour), bytes(5e9)))
	for _, name := range []string{
		"tables/usage_rollup_open/dt=2026-11-01/111122223333_eu-west-1.parquet", "tables/usage_rollup_open/dt=2026-11-05/111122223333_eu-west-1.parquet",
		"tables/query_executions_open/dt=2026-11-02/111122223333_eu-west-1.parquet", "tables/table_rollup_open/dt=2026-11-03/111122223333_eu-west-1.parquet",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("not Parquet"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	ls := compile(t, limit.Definition{Name: "x", Per: "person", Measure: "scanned_bytes", Window: "day", Amount: "1 TB"})
	m, err := Moment(t.Context(), l, noon, noon)
	if err != nil {
		t.Fatal(err)
	}
	if want := noon.AddDate(0, 0, -2).Truncate(24 * time.Hour); !m.Since.Equal(want) || !m.At.Equal(noon) || !m.CompleteTo.IsZero() {
		t.Errorf("%+v", m)
	}
	report, err := Report(t.Context(), l, ls, m, true)
	if err != nil || len(report.Statuses) != 1 || report.Statuses[0].Used != 5e9 {
		t.Errorf("%+v, %v", report, err)
	}
	// On a day that is needed a damaged file is an error, not an empty day.
	if _, err := Report(t.Context(), l, ls, limit.Moment{Now: noon, At: noon.AddDate(0, 0, -2)}, false); err == nil {
		t.Error("a damaged file was passed over")
	}
}

// TestRunningQueryIsGuessed finds the running query by its gap in the roll-up,
// and what its like scanned in the weeks before.
func TestRunningQueryIsGuessed(t *testing.T) {
	l, _ := newLake(t)
	today := athenatrail.DateOf(noon)
	write(t, l, today, execution("a", noon.Add(-time.Hour), bytes(5e9)), execution("b", noon.Add(-time.Minute), nil))
	write(t, l, today-20, execution("c", noon.AddDate(0, 0, -20), bytes(70e9)))
	write(t, l, today-31, execution("d", noon.AddDate(0, 0, -31), bytes(900e9)))
	for _, match := range []limit.Match{{}, {Table: []string{"raw.*"}}} {
		ls := compile(t, limit.Definition{Name: "x", Match: match, Per: "person", Measure: "scanned_bytes", Window: "day", Amount: "60 GB"})
		report, err := Report(t.Context(), l, ls, limit.Moment{Now: noon, At: noon, CompleteTo: noon}, false)
		if err != nil || len(report.Statuses) != 1 {
			t.Fatalf("%+v, %v", report, err)
		}
		if s := report.Statuses[0]; s.Used != 75e9 || s.Estimated != 70e9 || s.Running != 1 || s.Unknown != 0 || len(s.Reached) != 1 || !s.Reached[0].Estimated {
			t.Errorf("match %+v: %+v", match, s)
		}
	}
}

// TestExecutionsCountOnTheirDay: Athena may take a call behind midnight, whose
// event, and so the row, is of the day before.
func TestExecutionsCountOnTheirDay(t *testing.T) {
	l, _ := newLake(t)
	midnight := noon.Truncate(24 * time.Hour)
	write(t, l, athenatrail.DateOf(noon)-1, execution("a", midnight.Add(time.Second), bytes(5e9)))
	ls := compile(t, limit.Definition{Name: "x", Per: "person", Measure: "query_bytes", Window: "day", Amount: "1 GB", Thresholds: []string{"100%: notify"}})
	for at, want := range map[time.Time]int{midnight.Add(-time.Millisecond): 0, midnight: 0, midnight.Add(time.Hour): 0, midnight.Add(-time.Microsecond): 1} {
		report, err := Report(t.Context(), l, ls, limit.Moment{Now: at, At: at}, false)
		if err != nil || len(report.Statuses) != want {
			t.Errorf("at %s: %+v, %v; want %d", at, report, err, want)
		}
	}
	s := ls.Simulate(midnight.AddDate(0, 0, -1), midnight)
	if err := Simulate(t.Context(), l, s); err != nil {
		t.Fatal(err)
	}
	if list := s.Outcomes(); len(list) != 1 || !list[0].At.Equal(midnight) || list[0].Used != 5e9 {
		t.Errorf("%+v", list)
	}
}

// TestHistory finds runs, who the person last was, and what of a table's
// partitions SQL names.
func TestHistory(t *testing.T) {
	l, _ := newLake(t)
	today := athenatrail.DateOf(noon)
	sql := map[string]string{"named": "SELECT a FROM raw.clicks WHERE dt = '2026-11-01'", "not named": "SELECT b FROM raw.clicks"}
	p := athenatrail.Partition{Date: today - 1, Account: "111122223333", Region: "eu-west-1"}
	var texts []athenatrail.QueryText
	for hash, text := range sql {
		texts = append(texts, athenatrail.QueryText{Home: p, TextHash: hash, QueryString: text})
	}
	if _, err := lake.Merge(t.Context(), l, lake.QueryTexts, p, texts); err != nil {
		t.Fatal(err)
	}
	var list []athenatrail.QueryExecution
	for i, hash := range []string{"named", "named", "not named", "not named"} {
		e := execution(fmt.Sprint("id ", i), noon.Add(-24*time.Hour+time.Duration(i)*time.Minute), bytes(int64(i+1)*10e9))
		e.TextHash, e.TextDt, e.StatementType, e.QueryFingerprint, e.Tool = hash, p.Date.String(), "DML", hash, "console"
		list = append(list, e)
	}
	write(t, l, today-1, list...)
	for text, want := range map[string]string{
		"SELECT c FROM raw.clicks WHERE dt = '2026-11-02'": "tables 2 10 20",
		"SELECT c FROM raw.clicks WHERE day = 1":           "tables 2 30 40",
		"SELECT c FROM raw.users":                          "not known 0",
	} {
		plan := estimate.Read(estimate.Query{SQL: text})
		past, err := History(t.Context(), l, plan, map[string][]string{"awsdatacatalog.raw.clicks": {"dt"}}, "ROSA", noon)
		if err != nil {
			t.Fatal(err)
		}
		prices, err := price.NewTable(price.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		e := past.Estimate(prices, today, "")
		got := fmt.Sprint(e.Basis, " ", e.Runs)
		if e.Likely != nil {
			got += fmt.Sprint(" ", *e.Likely/1e9, " ", *e.High/2e9)
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if past.Who == nil || past.Who.Person != "rosa" || past.Who.Tool != "console" || plan.Account != "111122223333" || plan.Region != "eu-west-1" {
			t.Errorf("who: %+v, in %s %s", past.Who, plan.Account, plan.Region)
		}
	}
	// Before these runs nothing is known, though they are of the same day.
	past, err := History(t.Context(), l, estimate.Read(estimate.Query{SQL: sql["named"]}), nil, "rosa", noon.Add(-24*time.Hour))
	if err != nil || past.Who != nil {
		t.Fatalf("%+v, %v", past, err)
	}
	if e := past.Estimate(nil, today, ""); e.Basis != estimate.NotKnown {
		t.Errorf("%+v", e)
	}
}
