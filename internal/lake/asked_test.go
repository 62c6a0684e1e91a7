package lake_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// What was asked is known by its last note alone, and a note has a form.
func TestAsked(t *testing.T) {
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Create(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	at := func(day int, account string) athenatrail.Partition {
		return athenatrail.Partition{Date: athenatrail.Date(20_000 + day), Account: account, Region: "eu-west-1"}
	}
	check := func(want ...lake.Asking) {
		t.Helper()
		got, err := l.Asked(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(- is wanted):\n%s", diff)
		}
	}
	set := func(a lake.Asking) {
		t.Helper()
		if err := l.SetAsked(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	check()
	set(lake.Asking{What: "tables", Place: at(1, "111122223333")})
	set(lake.Asking{What: "tables", Place: at(2, "111122223333")})
	set(lake.Asking{What: "tables", Place: at(2, "111122223333")})
	set(lake.Asking{What: "tables", Place: at(1, "444455556666")})
	set(lake.Asking{What: "tables_file", Place: at(1, "unknown"), Version: "0123456789abcdef"})
	set(lake.Asking{What: "tables_file", Place: at(1, "unknown"), Version: "00000000000000ff"})
	for _, key := range []string{"_ledger/v1/asked/tables/x", "_ledger/v1/asked/tables/111122223333_eu-west-1/yesterday"} {
		if err := store.Put(t.Context(), key, []byte{}); err != nil {
			t.Fatal(err)
		}
	}
	check(lake.Asking{What: "tables", Place: at(2, "111122223333")}, lake.Asking{What: "tables", Place: at(1, "444455556666")},
		lake.Asking{What: "tables_file", Place: at(1, "unknown"), Version: "00000000000000ff"})
	for _, wrong := range []lake.Asking{{What: "../x", Place: at(1, "unknown")}, {What: "tables", Place: at(1, "a/b")}, {What: "tables", Place: at(1, "unknown"), Version: "x"}} {
		if err := l.SetAsked(t.Context(), wrong); err == nil {
			t.Errorf("%+v was noted", wrong)
		}
	}
	n := 0
	for p := range lake.Verify(t.Context(), l, "_ledger/") {
		if n++; p.Path != "_ledger/v1/asked/tables/x" && p.Path != "_ledger/v1/asked/tables/111122223333_eu-west-1/yesterday" {
			t.Error(p)
		}
	}
	if n != 2 {
		t.Errorf("%d problems", n)
	}
}
