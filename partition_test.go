package athenatrail

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDate(t *testing.T) {
	f := func(in time.Time, want string) {
		t.Helper()
		if got := DateOf(in).String(); got != want {
			t.Errorf("%v: got %s, want %s", in, got, want)
		}
	}
	f(time.Unix(0, 0), "1970-01-01")
	f(time.Unix(-1, 0), "1969-12-31")
	f(time.Date(2026, 5, 4, 23, 59, 59, 999, time.UTC), "2026-05-04")
	f(time.Date(2026, 5, 5, 1, 0, 0, 0, time.FixedZone("", 2*3600)), "2026-05-04")
	for _, bad := range []string{"", "2026-5-4", "2026-02-30", "yesterday", "2026-05-04T00:00:00Z"} {
		if d, err := ParseDate(bad); err == nil {
			t.Errorf("%q: got %s", bad, d)
		}
	}
}

// TestPartitionNames shows that whatever a record says of account and region,
// the partition's name can be read back, and is one part of a path.
func TestPartitionNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		when := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "time"), 0)
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9-]{0,50}`), rapid.SampledFrom([]string{"..", "a/b", "a_b", "111122223333"}))
		p := NewPartition(when, text.Draw(t, "account"), text.Draw(t, "region"))
		back, err := ParsePartition(p.Date.String(), p.Name())
		if err != nil || back != p {
			t.Fatalf("%v: got %v, %v", p, back, err)
		}
		for _, c := range p.Name() {
			if c == '/' || c == '\\' || c == '.' || c < ' ' {
				t.Fatalf("%q", p.Name())
			}
		}
	})
	for _, bad := range []string{"", "a", "a_b_c", "_", "../_x", "a_"} {
		if p, err := ParsePartition("2026-05-04", bad); err == nil {
			t.Errorf("%q: got %v", bad, p)
		}
	}
}
