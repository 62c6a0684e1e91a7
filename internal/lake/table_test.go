package lake_test

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

func activity(id string) athenatrail.Activity {
	return athenatrail.Activity{
		EventID: id, EventTime: noon, EventName: "ListWorkGroups", AccountID: home.Account, RegionName: home.Region,
		Who: athenatrail.Who{Person: "ana"},
	}
}

func rowsOfSlice[T any](rows ...T) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

func TestWriteTable(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		l := createLake(t, open())
		write := func(want bool, with string, rows ...athenatrail.Activity) {
			t.Helper()
			changed, err := lake.WriteTable(t.Context(), l, lake.Activity, home, rowsOfSlice(rows...), with)
			if changed != want || err != nil {
				t.Errorf("WriteTable = %v, %v, want %v", changed, err, want)
			}
		}
		derivedWith := func(want string) {
			t.Helper()
			if with, err := lake.DerivedWith(t.Context(), l, lake.Activity, home); with != want || err != nil {
				t.Errorf("DerivedWith = %q, %v, want %q", with, err, want)
			}
		}
		write(false, "v1")
		derivedWith("")
		write(true, "v1", activity("a"), activity("b"))
		derivedWith("v1")
		before := files(t, l)
		write(false, "v1", activity("a"), activity("b"))
		if diff := cmp.Diff(before, files(t, l)); diff != "" {
			t.Errorf("the same rows were written again: %s", diff)
		}
		write(true, "v2", activity("a"), activity("b"))
		derivedWith("v2")
		var ids []string
		for row, err := range lake.ReadTable(t.Context(), l, lake.Activity, home) {
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, row.EventID+row.Person)
		}
		if diff := cmp.Diff([]string{"aana", "bana"}, ids); diff != "" {
			t.Error(diff)
		}
		bad := activity("c")
		bad.UserAgent = "\xff"
		write(true, "v2", bad)
		for row, err := range lake.ReadTable(t.Context(), l, lake.Activity, home) {
			if err != nil || row.UserAgent != "\uFFFD" || bad.UserAgent != "\xff" {
				t.Errorf("%q, %v", row.UserAgent, err)
			}
		}
		write(true, "v2")
		write(false, "v2")
		derivedWith("")
		if keys := keysOf(t, l, "tables/"); len(keys) != 0 {
			t.Errorf("a table without rows has %q", keys)
		}
	})
}

func TestWriteTableRefuses(t *testing.T) {
	l := newLake(t)
	f := func(want error, rows iter.Seq2[*athenatrail.Activity, error]) {
		t.Helper()
		if _, err := lake.WriteTable(t.Context(), l, lake.Activity, home, rows, "v"); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	elsewhere, late := activity("b"), activity("b")
	elsewhere.RegionName = "us-east-1"
	late.EventTime = noon.Add(12 * time.Hour)
	f(lake.ErrOrder, rowsOfSlice(activity("b"), activity("a")))
	f(lake.ErrOrder, rowsOfSlice(activity("b"), activity("b")))
	f(lake.ErrWrongPartition, rowsOfSlice(activity("a"), elsewhere))
	f(lake.ErrWrongPartition, rowsOfSlice(activity("a"), late))
	broken := errors.New("broken")
	f(broken, func(yield func(*athenatrail.Activity, error) bool) {
		a := activity("a")
		if yield(&a, nil) {
			yield(nil, broken)
		}
	})
	if keys := keysOf(t, l, "tables/"); len(keys) != 0 {
		t.Errorf("written all the same: %q", keys)
	}
	rows := []athenatrail.Activity{activity("c"), activity("a"), activity("b")}
	f(nil, lake.Activity.Sorted(rows))
}

// TestReplace has one derive overtake another that read older facts.
func TestReplace(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		slow, fast := createLake(t, open()), createLake(t, open())
		replace := func(l *lake.Lake, was *lake.State, rows ...athenatrail.Activity) error {
			d := lake.NewDerivation(home, "v")
			if err := lake.Derive(t.Context(), d, lake.Activity, rowsOfSlice(rows...)); err != nil {
				t.Fatal(err)
			}
			_, err := lake.Replace(t.Context(), l, was, d)
			return err
		}
		stateOf := func(l *lake.Lake) *lake.State {
			t.Helper()
			state, err := lake.StateOf(t.Context(), l, home)
			if err != nil {
				t.Fatal(err)
			}
			return state
		}
		nothing := stateOf(slow)
		if err := replace(fast, stateOf(fast), activity("a"), activity("b")); err != nil {
			t.Fatal(err)
		}
		if err := replace(slow, nothing, activity("a")); !errors.Is(err, lake.ErrChanged) {
			t.Errorf("rows of old facts over rows of new: %v", err)
		}
		if err := replace(slow, nothing, activity("a"), activity("b")); err != nil {
			t.Errorf("the same rows: %v", err)
		}
		if err := replace(slow, nothing); !errors.Is(err, lake.ErrChanged) {
			t.Errorf("no rows over rows: %v", err)
		}
		some := stateOf(slow)
		if err := replace(fast, some); err != nil {
			t.Fatal(err)
		}
		if err := replace(slow, some, activity("a")); !errors.Is(err, lake.ErrChanged) {
			t.Errorf("over a removed file: %v", err)
		}
	})
}

// TestDerivedWithOfLargeFile has a footer that is larger than what is read of
// a file at first.
func TestDerivedWithOfLargeFile(t *testing.T) {
	l := createLake(t, newMemory())
	rows := func(yield func(*athenatrail.Activity, error) bool) {
		for i := range 70_000 {
			a := activity(fmt.Sprintf("%08d", i))
			a.UserAgent = fmt.Sprint(i * 7919 % 10007)
			if !yield(&a, nil) {
				return
			}
		}
	}
	with := string(bytes.Repeat([]byte("v"), 100_000))
	if _, err := lake.WriteTable(t.Context(), l, lake.Activity, home, rows, with); err != nil {
		t.Fatal(err)
	}
	if got, err := lake.DerivedWith(t.Context(), l, lake.Activity, home); got != with || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestPartitions(t *testing.T) {
	onEveryStore(t, func(t *testing.T, open func() lake.Store) {
		l := createLake(t, open())
		var want []athenatrail.Partition
		for day := range athenatrail.Date(4) {
			for _, region := range []string{"eu-west-1", "us-east-1"} {
				p := athenatrail.Partition{Date: home.Date + day*9, Account: home.Account, Region: region}
				row := athenatrail.Detail{Home: p, Kind: "query_execution", ID: "a", Outcome: athenatrail.OutcomeNotFound}
				if _, err := lake.Merge(t.Context(), l, lake.Details, p, []athenatrail.Detail{row}); err != nil {
					t.Fatal(err)
				}
				want = append(want, p)
			}
		}
		for _, key := range []string{"facts/details/dt=2024-05-13/notes.txt", "facts/details/readme", "facts/details/dt=2024-13-01/a_b.parquet", "facts/details_more/dt=2024-05-13/a_b.parquet"} {
			if err := l.Put(t.Context(), key, nil); err != nil {
				t.Fatal(err)
			}
		}
		f := func(from, to athenatrail.Date, want []athenatrail.Partition) {
			t.Helper()
			var got []athenatrail.Partition
			for file, err := range lake.Partitions(t.Context(), l, lake.Details, from, to) {
				if err != nil {
					t.Fatal(err)
				}
				if file.Size == 0 || file.ETag == "" {
					t.Errorf("%+v", file)
				}
				got = append(got, file.Partition)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("from %v to %v: %s", from, to, diff)
			}
		}
		d := home.Date
		f(0, 0, want)
		f(d, d+1, want[:2])
		f(d, d+9, want[:2])
		f(d, d+10, want[:4])
		f(d+1, d+28, want[2:])
		f(d+1, d+27, want[2:6])
		f(d+30, d+90, nil)
		f(d+5, d, nil)
		for range lake.Partitions(t.Context(), l, lake.Events, 0, 0) {
			t.Error("events has a partition")
		}
	})
}

func TestTableOrder(t *testing.T) {
	// Nothing that derive may give two rows of a day has one key.
	rows := []athenatrail.UsageRollup{
		{UsageKey: athenatrail.UsageKey{Slot: noon, Person: "b"}},
		{UsageKey: athenatrail.UsageKey{Slot: noon, Person: "a", Own: true}},
		{UsageKey: athenatrail.UsageKey{Slot: noon, Person: "a"}},
		{UsageKey: athenatrail.UsageKey{Slot: noon.Add(-15 * time.Minute), Person: "c"}},
	}
	var got []string
	for r := range lake.UsageRollup.Sorted(rows) {
		got = append(got, fmt.Sprint(r.Person, r.Own))
	}
	if want := []string{"cfalse", "afalse", "atrue", "bfalse"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
