package lookup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const testPlace = "lookup-events:111122223333/eu-west-1"

// TestSpans compares the arithmetic with counting seconds.
func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.Custom(func(t *rapid.T) span {
			return span{rapid.Int64Range(0, 40).Draw(t, "from"), rapid.Int64Range(0, 40).Draw(t, "to")}
		})
		window, all := draw.Draw(t, "window"), rapid.SliceOfN(draw, 0, 8).Draw(t, "spans")
		holds := func(spans []span, second int64) bool {
			for _, s := range spans {
				if s.from <= second && second < s.to {
					return true
				}
			}
			return false
		}
		joined := union(all)
		left := window.without(joined)
		for second := int64(-1); second <= 41; second++ {
			if holds(joined, second) != holds(all, second) {
				t.Fatalf("union %v: second %d", joined, second)
			}
			want := holds([]span{window}, second) && !holds(all, second)
			if holds(left, second) != want {
				t.Fatalf("left %v of %v: second %d", left, window, second)
			}
		}
		for i, s := range joined {
			if s.empty() || i > 0 && s.from <= joined[i-1].to {
				t.Fatalf("union %v is not in order", joined)
			}
		}
		for _, s := range left {
			if s.empty() {
				t.Fatalf("left %v has an empty span", left)
			}
		}
	})
}

// TestMissing compares what is to be asked for with the rule, second by
// second: a row's second counts for good if it was older than the lateness
// when it was asked for, and else until the lateness has passed.
func TestMissing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const lateness = 10
		c := &coverage{lateness: lateness}
		var rows []row
		asked := int64(0)
		for range rapid.IntRange(1, 6).Draw(t, "runs") {
			asked += rapid.Int64Range(0, 15).Draw(t, "later")
			for range rapid.IntRange(0, 3).Draw(t, "pages") {
				from := rapid.Int64Range(0, asked).Draw(t, "from")
				r := row{rapid.SampledFrom([]string{"A", "B"}).Draw(t, "event"), span{from, rapid.Int64Range(from, asked).Draw(t, "to")}, asked}
				rows = append(rows, r)
				c.add(r)
			}
			window := span{0, asked}
			if rapid.Bool().Draw(t, "look") { // a feed that is read again settles what it knows
				c.missing("A", window, asked)
			}
			for _, event := range []string{"A", "B"} {
				left := c.missing(event, window, asked)
				for second := range asked {
					want := true
					for _, r := range rows {
						if r.event == event && r.from <= second && second < r.to && (second < r.asked-lateness || asked-r.asked < lateness) {
							want = false
						}
					}
					got := false
					for _, s := range left {
						got = got || s.from <= second && second < s.to
					}
					if got != want {
						t.Fatalf("at %d, %s: second %d missing: %v, want %v; rows %v", asked, event, second, got, want, rows)
					}
				}
			}
		}
	})
}

// A clock that runs ahead must not make what it saw count for good, or for
// longer than the lateness.
func TestRowFromTheFuture(t *testing.T) {
	c := &coverage{lateness: 100}
	c.add(row{"A", span{0, 1000}, 5000})
	if got := c.missing("A", span{0, 1000}, 1000); got != nil {
		t.Errorf("missing %v", got)
	}
	if diff := cmp.Diff([]span{{0, 50}}, c.missing("A", span{0, 50}, 6000), cmp.AllowUnexported(span{})); diff == "" {
		t.Error("a row that was asked for later than it holds is forgotten")
	}
}

func TestRowNames(t *testing.T) {
	r := row{"StartQueryExecution", span{1_793_491_200, 1_793_491_800}, 1_793_500_000}
	key := r.key(testPlace, 0)
	if want := testPlace + "/StartQueryExecution/2026-11-01T00:00:00Z/2026-11-01T00:10:00Z"; key != want {
		t.Fatalf("key %q, want %q", key, want)
	}
	got, ok := parseRow(testPlace, key, stamp(r.asked))
	if !ok || got != r {
		t.Errorf("%+v, %v", got, ok)
	}
	numbered := row{r.event, span{r.to, r.to}, r.asked}.key(testPlace, 3)
	if want := testPlace + "/StartQueryExecution/2026-11-01T00:10:00Z/2026-11-01T00:10:00Z#3"; numbered != want {
		t.Errorf("key %q, want %q", numbered, want)
	}
	for _, key := range []string{
		numbered, "", testPlace, testPlace + "/", testPlace + "/A/B/C", testPlace + "/A/2026-11-01T00:00:00Z/2026-11-01T00:00:00Z",
		testPlace + "/A/2026-11-01T00:00:01Z/2026-11-01T00:00:00Z", testPlace + "/A/2026-11-01T00:00:00+01:00/2026-11-01T00:10:00Z",
		testPlace + "/A/2026-11-01T00:00:00.5Z/2026-11-01T00:10:00Z", testPlace + "/A/2026-11-01T00:00:00Z/2026-11-01T00:10:00Z/x",
		"lookup-events:111122223333/eu-west-2/A/2026-11-01T00:00:00Z/2026-11-01T00:10:00Z", "s3://logs/a",
	} {
		if got, ok := parseRow(testPlace, key, stamp(r.asked)); ok {
			t.Errorf("%q is read as %+v", key, got)
		}
	}
	if _, ok := parseRow(testPlace, key, `"an-etag"`); ok {
		t.Error("an ETag that is no time is read")
	}
}

func FuzzParseRow(f *testing.F) {
	f.Add(testPlace+"/A/2026-11-01T00:00:00Z/2026-11-01T00:10:00Z", "2026-11-01T00:10:00Z")
	f.Fuzz(func(t *testing.T, key, etag string) {
		if r, ok := parseRow(testPlace, key, etag); ok && (r.key(testPlace, 0) != key || r.empty()) {
			t.Errorf("%q gives %+v", key, r)
		}
	})
}

// TestUntil: the probes of an estimate end within the time, evenly over it and
// over the hours of the day.
func TestUntil(t *testing.T) {
	const day = daySeconds
	for _, spans := range [][]span{
		{{0, 90 * day}}, {{1000, 3000}}, {{0, 1}}, {{0, 10*day + 12_345}}, {{0, 7 * day}, {8 * day, 8*day + 60}, {9 * day, 12 * day}}, {{5, 8}, {10, 12}, {100, 101}},
	} {
		var total int64
		for _, s := range spans {
			total += s.seconds()
		}
		hours, ends := map[int64]bool{}, map[int64]bool{}
		for round := range rounds {
			for i := range probes {
				u := until(spans, total, i, round)
				inside := false
				for _, s := range spans {
					inside = inside || u.from == s.from && u.to <= s.to && !u.empty()
				}
				if !inside {
					t.Fatalf("%v: probe %d of round %d: %v", spans, i, round, u)
				}
				hours[u.to%day/3600] = true
				ends[u.to] = true
			}
		}
		if len(spans) == 1 && total > 2*day && len(hours) != 24 {
			t.Errorf("%v: %d hours of the day", spans, len(hours))
		}
		if total > 1000 && len(ends) < probes*rounds-2 {
			t.Errorf("%v: %d places", spans, len(ends))
		}
	}
}

func TestEventOf(t *testing.T) {
	f := func(key, want string) {
		t.Helper()
		if got, ok := EventOf(key); got != want || ok != (want != "") {
			t.Errorf("%s: got %q, %v", key, got, ok)
		}
	}
	f("lookup-events:111122223333/eu-west-1/StartQueryExecution/2026-05-04T08:00:00Z/2026-05-04T08:10:00Z", "StartQueryExecution")
	f("lookup-events:111122223333/eu-west-1/AssumeRole/2026-05-04T08:00:00Z/2026-05-04T08:00:00Z#2", "AssumeRole")
	f("lookup-events:111122223333/eu-west-1", "")
	f("s3://trail/lookup-events/a/b/c/d.json.gz", "")
	f("lookup-events:a/b/<c>/d/e", "")
}
