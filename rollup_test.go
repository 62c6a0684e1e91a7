package athenatrail

import (
	"math/big"
	"testing"
)

// TestLatencyEdges holds the edges against exact arithmetic: floor(10^(k/5))
// is the largest n with n^5 <= 10^k.
func TestLatencyEdges(t *testing.T) {
	for k := 1; k <= LatencyBuckets; k++ {
		edge := big.NewInt(LatencyEdge(k))
		power := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(k)), nil)
		if new(big.Int).Exp(edge, big.NewInt(5), nil).Cmp(power) > 0 {
			t.Errorf("edge %d: %v is too large", k, edge)
		}
		if next := new(big.Int).Add(edge, big.NewInt(1)); next.Exp(next, big.NewInt(5), nil).Cmp(power) <= 0 {
			t.Errorf("edge %d: %v is too small", k, edge)
		}
	}
}

func TestLatencyBucket(t *testing.T) {
	f := func(ms int64, want int) {
		t.Helper()
		if got := LatencyBucket(ms); got != want {
			t.Errorf("%d ms: got %d, want %d", ms, got, want)
		}
	}
	f(0, 1)
	f(1, 1)
	f(2, 2)
	f(10, 5)
	f(11, 6)
	f(100_000_000, 40)
	f(1<<62, 40)
	seen := map[*int64]bool{}
	var u UsageRollup
	for k := 1; k <= LatencyBuckets; k++ {
		if seen[u.Latency(k)] {
			t.Errorf("bucket %d has another's counter", k)
		}
		seen[u.Latency(k)] = true
	}
}

func TestGapOf(t *testing.T) {
	f := func(outcome string, final bool, want string, open bool) {
		t.Helper()
		if got := GapOf(outcome, final); got != want || GapIsOpen(got) != open {
			t.Errorf("%s, %v: got %q, %v", outcome, final, got, GapIsOpen(got))
		}
	}
	f(OutcomeAnswered, true, "", false)
	f(OutcomeAnswered, false, GapPending, true)
	f(OutcomeTooOld, false, GapExpired, false)
	f(OutcomeNotFound, false, GapExpired, false)
	f(OutcomeUnprocessed, false, GapUnprocessed, true)
	f(OutcomeDenied, false, GapNoAccess, true)
	f(OutcomeNoRole, false, GapNoAccess, true)
	f("", false, GapNoDetail, true)
	if GapIsOpen(GapNotStarted) || GapIsOpen(GapNoEvent) {
		t.Error("asking again would not help")
	}
}
