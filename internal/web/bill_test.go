package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/web"
)

// TestBillOnTheOverview keeps a bill: the overview has it, for those who see
// every row, and had nothing of it before.
func TestBillOnTheOverview(t *testing.T) {
	dir, at := colleagues(t)
	const window = "/?from=2026-11-03&to=2026-11-04"
	without := open(t, web.Options{Auth: roles, Lake: web.Lake{Dir: dir}})
	if r := without.do("GET", window, bearer("admin")); r.code != 200 || strings.Contains(r.body, "Against the bill") {
		t.Errorf("without a bill: status %d, and the page speaks of one", r.code)
	}
	store, err := lake.OpenStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	home := athenatrail.NewPartition(at, "111122223333", "eu-west-1")
	line := athenatrail.BillLine{Home: home, Kind: "sql", Quantity: athenatrail.MoneyScale, Cost: 17_510_000_000, Currency: "USD", Through: at.Add(24 * time.Hour), Exported: at}
	if _, err := lake.Merge(t.Context(), l, lake.BillLines, home, []athenatrail.BillLine{line}); err != nil {
		t.Fatal(err)
	}
	s := open(t, web.Options{Auth: roles, Lake: web.Lake{Dir: dir}})
	for role, want := range map[string]bool{"admin": true, "viewer": true, "team": false, "self": false} {
		r := s.do("GET", window, bearer(role))
		got := strings.Contains(r.body, "Against the bill") && strings.Contains(r.body, "unattributed") && strings.Contains(r.body, "$17.50") // less what the two cost
		if r.code != http.StatusOK || got != want {
			t.Errorf("%s: status %d, sees the bill: %t", role, r.code, got)
		}
		if !want && strings.Contains(r.body, "17.5") {
			t.Errorf("%s sees what was billed", role)
		}
	}
}
