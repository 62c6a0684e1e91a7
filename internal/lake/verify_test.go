package lake_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/lake/rowfile"
)

// parquetOf encodes rows that Merge and WriteTable would refuse.
func parquetOf[T any](t *testing.T, rows ...T) []byte {
	t.Helper()
	var b bytes.Buffer
	w := new(rowfile.Format[T]).NewWriter(&b)
	for i := range rows {
		if err := w.Write(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestVerify(t *testing.T) {
	l := newLake(t)
	problems := func(prefix string) []string {
		t.Helper()
		var got []string
		for p := range lake.Verify(t.Context(), l, prefix) {
			if p.Hint == "" {
				t.Errorf("%s: no hint", p)
			}
			got = append(got, p.String())
		}
		return got
	}
	put := func(key string, data []byte) {
		t.Helper()
		if err := l.Put(t.Context(), key, data); err != nil {
			t.Fatal(err)
		}
	}
	if p := problems(""); len(p) != 0 {
		t.Errorf("a new lake: %q", p)
	}

	// A sound lake.
	event := func(id string, at time.Time) athenatrail.Event {
		return athenatrail.Event{ID: id, Time: at, Name: "GetWorkGroup", Record: "{}"}
	}
	sound := event("a", noon)
	sound.Home = home
	_, err := lake.Merge(t.Context(), l, lake.Events, home, []athenatrail.Event{sound})
	_, err2 := lake.WriteTable(t.Context(), l, lake.Activity, home, rowsOfSlice(activity("a")), "v")
	if err := errors.Join(err, err2, l.Mark(t.Context(), home, "run"), l.SetOpen(t.Context(), home, true)); err != nil {
		t.Fatal(err)
	}
	put("_ledger/v1/111122223333/eu-west-1/2024-05-13.parquet", parquetOf(t, event("x", noon)))
	put("_ledger/v1/other/0f.parquet", parquetOf(t, event("x", noon)))
	put("_ledger/v1/source/0123456789abcdef.json", []byte("{}"))
	if p := problems(""); len(p) != 0 {
		t.Fatalf("a sound lake: %q", p)
	}

	// One of every kind of damage.
	whole, _ := l.Read(t.Context(), eventsKey)
	flipped := bytes.Clone(whole)
	flipped[10] ^= 0xff
	dir := "facts/events/dt=2024-05-13/"
	put(dir+"111122223333_a.parquet", whole[:len(whole)-9])
	put(dir+"111122223333_b.parquet", flipped)
	put(dir+"111122223333_c.parquet", parquetOf(t, event("b", noon), event("a", noon), event("a", noon)))
	put(dir+"111122223333_d.parquet", parquetOf(t, event("a", noon.Add(24*time.Hour))))
	put(dir+"111122223333_e.parquet", parquetOf[athenatrail.Event](t))
	var many []athenatrail.Event
	for i := range 9 {
		many = append(many, event(fmt.Sprint(i), noon.Add(-24*time.Hour)))
	}
	put(dir+"111122223333_f.parquet", parquetOf(t, many...))
	put(dir+"name.parquet", whole)
	put(dir+"111122223333_eu-west-1.parquet.bak", whole)
	put("facts/colours/dt=2024-05-13/1_a.parquet", whole)
	put("holiday.jpg", nil)
	put("_ledger/v1/other/zz.parquet", nil)
	put("_ledger/v1/other/00.parquet", []byte("x"))
	put("_ledger/v1/source/0000000000000000.json", []byte("{"))
	other := activity("a")
	other.AccountID = "444455556666"
	put("tables/activity_open/dt=2024-05-13/111122223333_a.parquet", parquetOf(t, other))
	execution := func(id, region string) athenatrail.QueryExecution {
		return athenatrail.QueryExecution{QueryExecutionID: id, AccountID: "111122223333", RegionName: region, SubmissionDateTime: noon}
	}
	put("tables/query_executions_open/dt=2024-05-13/111122223333_a.parquet", parquetOf(t, execution("", "a"), execution("q1", "a"), execution("q2", "a")))
	put("tables/query_executions_open/dt=2024-05-14/111122223333_a.parquet", parquetOf(t, execution("", "a"), execution("q2", "a"), execution("q3", "a")))

	got := problems("")
	want := []string{
		"_ledger/v1/other/00.parquet: cannot be decoded: ",
		"_ledger/v1/other/zz.parquet: this athenatrail knows no such file",
		"_ledger/v1/source/0000000000000000.json: not JSON",
		"facts/colours/dt=2024-05-13/1_a.parquet: this athenatrail knows no such file",
		dir + "111122223333_a.parquet: cannot be decoded: ",
		dir + "111122223333_b.parquet: cannot be decoded: ",
		dir + "111122223333_c.parquet: row 2 is not in the order of keys",
		dir + "111122223333_c.parquet: row 3 has the same key as the row before it",
		dir + "111122223333_d.parquet: row 1 is of 2024-05-14T12:00:00Z, the file of 2024-05-13",
		dir + "111122223333_e.parquet: it has no rows",
		dir + "111122223333_eu-west-1.parquet.bak: want dt=YYYY-MM-DD/ACCOUNT_REGION.parquet",
		dir + "111122223333_f.parquet: row 1 is of 2024-05-12T12:00:00Z, the file of 2024-05-13",
		dir + "111122223333_f.parquet: row 2 is of 2024-05-12T12:00:00Z, the file of 2024-05-13",
		dir + "111122223333_f.parquet: row 3 is of 2024-05-12T12:00:00Z, the file of 2024-05-13",
		dir + "111122223333_f.parquet: row 4 is of 2024-05-12T12:00:00Z, the file of 2024-05-13",
		dir + "111122223333_f.parquet: row 5 is of 2024-05-12T12:00:00Z, the file of 2024-05-13",
		dir + "111122223333_f.parquet: and 4 more",
		dir + `name.parquet: partition "name": want ACCOUNT_REGION`,
		"holiday.jpg: not a file of the lake",
		`tables/activity_open/dt=2024-05-13/111122223333_a.parquet: row 1 is of "444455556666" in "eu-west-1", the file of 111122223333_a`,
		`tables/query_executions_open/dt=2024-05-14/111122223333_a.parquet: query execution "q2" has a row here and one in tables/query_executions_open/dt=2024-05-13/111122223333_a.parquet`,
	}
	for i := range got {
		// What parquet-go says of damage is its own.
		if before, _, ok := strings.Cut(got[i], "cannot be decoded: "); ok {
			got[i] = before + "cannot be decoded: "
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if p := problems("facts/events/dt=2024-05-13/111122223333_e"); len(p) != 2 {
		t.Errorf("%q", p)
	}
	for range lake.Verify(t.Context(), l, "") {
		break // the caller may stop
	}
}
