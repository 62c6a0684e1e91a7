package lookup_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/athenatrail/athenatrail/internal/lookup"
	"github.com/athenatrail/athenatrail/internal/lookup/lookuptest"
	"github.com/athenatrail/athenatrail/internal/source"
)

// The pages of a run say together that all of the time is in place, and a run
// after it asks nothing.
func TestPagesAreTheMemory(t *testing.T) {
	events := append(day(start, 520), day("AssumeRole", 130)...)
	others := day("GetQueryExecution", 700)
	b := newBench(t, lookuptest.Config{Rate: quick}, append(others, events...)...)
	defer b.server.Close()
	b.options.Events = []string{start, "AssumeRole"}
	b.whole(b.feed())
	b.wantAll(events)
	for _, e := range b.options.Events {
		prefix := "lookup-events:111122223333/eu-west-1/" + e + "/"
		var spans [][2]string
		for key, p := range b.pages {
			if rest, ok := strings.CutPrefix(key, prefix); ok {
				from, to, _ := strings.Cut(rest, "/")
				spans = append(spans, [2]string{from, to})
				if p.ETag != "2026-11-03T12:00:00Z" || p.Account != account || p.Region != region || p.Delivered.Format(time.RFC3339) != to || p.Size != int64(len(p.Body)) {
					t.Errorf("page %+v", p.Object)
				}
			}
		}
		slices.SortFunc(spans, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
		at := "2026-11-02T12:00:00Z"
		for _, s := range spans {
			if s[0] > at {
				t.Errorf("%s: nothing says that %s to %s is in place", e, at, s[0])
			}
			at = max(at, s[1])
		}
		if at != "2026-11-03T12:00:00Z" {
			t.Errorf("%s: in place until %s", e, at)
		}
	}
	calls := b.server.Counts().Calls
	b.whole(b.feed())
	if n := b.server.Counts().Calls - calls; n != 0 {
		t.Errorf("a second run makes %d calls", n)
	}
}

// What happened while a run was on its way belongs to the next one.
func TestEndIsFixed(t *testing.T) {
	b := newBench(t, lookuptest.Config{Rate: quick})
	defer b.server.Close()
	b.now = noon.Add(700 * time.Millisecond)
	before, after := event(start, 1, noon.Add(-time.Second)), event(start, 2, noon)
	b.server.Add(before, after)
	f := b.feed()
	b.whole(f)
	b.wantAll([]lookuptest.Event{before})
	b.now = noon.Add(time.Minute)
	b.whole(f)
	b.wantAll([]lookuptest.Event{before, after})
}

// Bounds are half-open, though AWS includes both.
func TestBounds(t *testing.T) {
	var events []lookuptest.Event
	for i := range 10 {
		events = append(events, event(start, i, noon.Add(time.Duration(i-20)*time.Second)))
	}
	b := newBench(t, lookuptest.Config{Rate: quick}, events...)
	defer b.server.Close()
	b.options.From, b.options.To = events[3].Time, events[6].Time
	b.whole(b.feed())
	b.wantAll(events[3:6])
}

// Events that could not be looked up when their time was asked for come with
// the run after the lateness; runs before that ask for new time only.
func TestLateEvents(t *testing.T) {
	for _, again := range []bool{false, true} { // with one feed, or a new one for every run
		events := day(start, 200)
		late := event("StartQueryExecution", 900, noon.Add(-5*time.Minute))
		late.Appears = noon.Add(10 * time.Minute)
		b := newBench(t, lookuptest.Config{Rate: quick}, append(events, late)...)
		f := b.feed()
		next := func(after time.Duration) (calls int) {
			before := b.server.Counts().Calls
			b.now = noon.Add(after)
			if again {
				f = b.feed()
			}
			b.whole(f)
			return b.server.Counts().Calls - before
		}
		next(0)
		if n := next(30 * time.Minute); n != 1 {
			t.Errorf("half an hour later: %d calls, want 1", n)
		}
		b.wantAll(events)
		if n := next(time.Hour); n != 2 { // from 11:00 to 12:00 again, and from 12:30 on
			t.Errorf("an hour later: %d calls, want 2", n)
		}
		b.wantAll(append(events, late))
		if n := next(90 * time.Minute); n != 2 {
			t.Errorf("an hour and a half later: %d calls, want 2", n)
		}
		for id, n := range b.got {
			if n > 2 {
				t.Errorf("%s came %d times", id, n)
			}
		}
		b.server.Close()
	}
}

// A second can have more events than a page, than several, and the run may die
// anywhere in it.
func TestMoreThanAPageInASecond(t *testing.T) {
	var events []lookuptest.Event
	for i := range 400 {
		at := noon.Add(-time.Hour)
		if i < 60 || i >= 340 {
			at = at.Add(time.Duration(200-i) * time.Second)
		}
		events = append(events, event(start, i, at))
	}
	for crash := range 12 { // the first is none
		b := newBench(t, lookuptest.Config{Rate: quick}, events...).direct()
		stored := 0
		b.store = func(source.Page) error {
			if stored++; stored == crash {
				return errDied
			}
			return nil
		}
		_, err := b.feed().Read(t.Context(), b.keep)
		if err != nil && !errors.Is(err, errDied) {
			t.Fatal(err)
		}
		if crash == 0 {
			held := 0
			for _, p := range b.pages {
				held += bytes.Count(p.Body, []byte(`"eventID"`))
			}
			if held < len(events) {
				t.Errorf("pages of different names hold %d events of %d", held, len(events))
			}
		}
		b.store = nil
		b.whole(b.feed())
		b.wantAll(events)
		b.server.Close()
	}
}

var errDied = errors.New("the run died")

// A token that is no longer taken costs a page, within a second of many events
// the second; it never costs an event.
func TestLostTokens(t *testing.T) {
	events := day(start, 600)
	for i := range 130 {
		events = append(events, event(start, 1000+i, noon.Add(-6*time.Hour)))
	}
	lost := 0
	var mu sync.Mutex
	b := newBench(t, lookuptest.Config{Rate: quick, Fault: func(c lookuptest.Call) lookuptest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if c.Token && c.Number%3 == 0 && lost < 8 {
			lost++
			return lookuptest.Fault{Status: http.StatusBadRequest, Code: "InvalidNextTokenException", Message: "Invalid token."}
		}
		return lookuptest.Fault{}
	}}, events...)
	defer b.server.Close()
	b.whole(b.feed())
	b.wantAll(events)
	if lost == 0 {
		t.Error("no token was lost: the test shows less than it says")
	}
}

// Tokens that never work end in an error and not in a loop.
func TestTokensThatNeverWork(t *testing.T) {
	b := newBench(t, lookuptest.Config{Rate: quick, Fault: func(c lookuptest.Call) lookuptest.Fault {
		if c.Token {
			return lookuptest.Fault{Status: http.StatusBadRequest, Code: "InvalidNextTokenException"}
		}
		return lookuptest.Fault{}
	}})
	defer b.server.Close()
	for i := range 80 {
		b.server.Add(event(start, i, noon.Add(-time.Hour)))
	}
	s := b.read(b.feed())[0]
	if s.Err == nil || !strings.Contains(s.Err.Error(), "InvalidNextToken") || s.Missed.IsZero() {
		t.Errorf("%+v", s)
	}
	if n := b.server.Counts().Calls; n > 40 {
		t.Errorf("%d calls", n)
	}
}

// One place that fails does not keep the others from being read.
func TestPlacesThatFail(t *testing.T) {
	denied := lookup.Place{Account: "444455556666", Region: region}
	disabled := lookup.Place{Account: "777788889999", Region: "af-south-1"}
	broken := lookup.Place{Account: account, Region: "us-east-1"}
	noRole := lookup.Place{Account: "123456789012", Region: region}
	b := newBench(t, lookuptest.Config{
		Rate: quick,
		Deny: func(c lookuptest.Call) bool { return c.Account == denied.Account },
		Fault: func(c lookuptest.Call) lookuptest.Fault {
			switch {
			case c.Account == disabled.Account:
				return lookuptest.Fault{Status: http.StatusBadRequest, Code: "UnrecognizedClientException", Message: "The security token included in the request is invalid."}
			case c.Region == broken.Region && c.Token:
				return lookuptest.Fault{Status: http.StatusBadRequest, Code: "UnsupportedOperationException", Message: "Not here."}
			}
			return lookuptest.Fault{}
		},
	}, day(start, 300)...)
	defer b.server.Close()
	for _, e := range day(start, 300) {
		e.Region = broken.Region
		b.server.Add(e)
	}
	config := b.options.Config
	b.options.Config = func(ctx context.Context, account, region string) (aws.Config, error) {
		if account == noRole.Account {
			return aws.Config{}, errors.New("account 123456789012: no role into the account")
		}
		return config(ctx, account, region)
	}
	b.options.Places = []lookup.Place{denied, here, disabled, broken, noRole}
	from := b.options.From
	want := []struct {
		name, err string
		asked     bool
	}{
		{"lookup-events:444455556666/eu-west-1", "not allowed to call cloudtrail:LookupEvents", false},
		{"lookup-events:111122223333/eu-west-1", "", true},
		{"lookup-events:777788889999/af-south-1", "this region is not enabled in the account", false},
		{"lookup-events:111122223333/us-east-1", "UnsupportedOperationException: Not here.", true},
		{"lookup-events:123456789012/eu-west-1", "no role into the account", false},
	}
	for i, s := range b.read(b.feed()) {
		w := want[i]
		if s.Name != w.name || (s.Err == nil) != (w.err == "") || s.Err != nil && !strings.Contains(s.Err.Error(), w.err) || s.Asked.IsZero() == w.asked ||
			(s.Missed.IsZero()) != (w.err == "") || s.Err != nil && !s.Missed.Equal(from) {
			t.Errorf("%+v, want %+v", s, w)
		}
	}
	if len(b.got) != 300 {
		t.Errorf("%d events, want those of the one place", len(b.got))
	}
}

// Errors of the service and cut connections are waited out.
func TestFailuresThatPass(t *testing.T) {
	events := day(start, 120)
	b := newBench(t, lookuptest.Config{Rate: quick, Fault: func(c lookuptest.Call) lookuptest.Fault {
		switch c.Number {
		case 0:
			return lookuptest.Fault{Cut: true}
		case 2:
			return lookuptest.Fault{Status: http.StatusInternalServerError}
		}
		return lookuptest.Fault{}
	}}, events...)
	defer b.server.Close()
	b.whole(b.feed())
	b.wantAll(events)
}

// A store that fails ends the reading with its error, everywhere.
func TestStoreThatFails(t *testing.T) {
	b := newBench(t, lookuptest.Config{Rate: quick}, day(start, 2000)...)
	defer b.server.Close()
	b.options.Places = append(b.options.Places, lookup.Place{Account: account, Region: "us-east-1"})
	b.store = func(source.Page) error { return errDied }
	if _, err := b.feed().Read(t.Context(), b.keep); !errors.Is(err, errDied) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	b.store = func(source.Page) error { cancel(); return nil }
	if _, err := b.feed().Read(ctx, b.keep); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// What is wrong is said before any call.
func TestBadOptions(t *testing.T) {
	b := newBench(t, lookuptest.Config{Rate: quick})
	defer b.server.Close()
	for want, change := range map[string]func(o *lookup.Options){
		"no account and region":            func(o *lookup.Options) { o.Places = nil },
		`account "1111", region`:           func(o *lookup.Options) { o.Places = []lookup.Place{{Account: "1111", Region: region}} },
		`region "../x"`:                    func(o *lookup.Options) { o.Places = []lookup.Place{{Account: account, Region: "../x"}} },
		"each pair once":                   func(o *lookup.Options) { o.Places = []lookup.Place{here, here} },
		`event "Start/Query"`:              func(o *lookup.Options) { o.Events = []string{"Start/Query"} },
		"each once":                        func(o *lookup.Options) { o.Events = []string{start, start} },
		"is not after the start":           func(o *lookup.Options) { o.From, o.To = noon, noon.Add(-time.Hour) },
		"lateness -1s":                     func(o *lookup.Options) { o.Lateness = -time.Second },
		"no ledger":                        func(o *lookup.Options) { o.Ledger = nil },
		"2026-08-05T00:00:00Z is too long": func(o *lookup.Options) { o.From = noon.Add(-90*24*time.Hour - 12*time.Hour) },
	} {
		o := b.options
		change(&o)
		if _, err := lookup.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if n := b.server.Counts().Calls; n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestCheck(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		if s == "" {
			return time.Time{}
		}
		x, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for _, tt := range []struct {
		from, to string
		loc      *time.Location
		want     string
	}{
		{"", "", nil, ""},
		{"2026-08-05T12:00:00Z", "", nil, ""},
		{"2026-08-05T11:59:59Z", "", nil, "the start 2026-08-05T11:59:59Z is too long ago: CloudTrail looks up events of the last 90 days, now since 2026-08-05T12:00:00Z; older ones are in the log files of a trail"},
		{"", "2026-08-01T00:00:00Z", nil, "the end 2026-08-01T00:00:00Z is too long ago"},
		{"2026-11-03T12:00:00Z", "2026-11-04T00:00:00Z", nil, ""},
		{"2026-11-03T12:00:01Z", "", nil, "the start 2026-11-03T12:00:01Z lies in the future"},
		{"2026-11-01T00:00:00Z", "2026-11-04T00:00:01Z", nil, "the end 2026-11-04T00:00:01Z is on a future day"},
		{"2026-11-01T00:00:00Z", "2026-11-03T23:00:00Z", paris, ""},
		{"2026-11-01T00:00:00Z", "2026-11-04T00:00:00Z", paris, "the end 2026-11-04T01:00:00+01:00 is on a future day"},
		{"2026-11-02T00:00:00Z", "2026-11-02T00:00:00Z", nil, "the end 2026-11-02T00:00:00Z is not after the start 2026-11-02T00:00:00Z"},
		{"2026-11-03T00:00:00Z", "2026-11-02T00:00:00Z", nil, "the end 2026-11-02T00:00:00Z is not after"},
	} {
		err := lookup.Check(at(tt.from), at(tt.to), noon, tt.loc)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.want)) {
			t.Errorf("%s to %s: %v, want %q", tt.from, tt.to, err, tt.want)
		}
	}
}

// Allowed asks once, and takes a throttle for a permission.
func TestAllowed(t *testing.T) {
	b := newBench(t, lookuptest.Config{Deny: func(c lookuptest.Call) bool { return c.Region != region }})
	defer b.server.Close()
	for range 4 { // two more than the server answers
		cfg, _ := b.config(t.Context(), account, region)
		if err := lookup.Allowed(t.Context(), cfg, noon); err != nil {
			t.Error(err)
		}
	}
	if c := b.server.Counts(); c.Calls != 4 || c.Throttled == 0 {
		t.Errorf("%+v", c)
	}
	cfg, _ := b.config(t.Context(), account, "us-east-1")
	if err := lookup.Allowed(t.Context(), cfg, noon); err == nil || !strings.Contains(err.Error(), "not allowed to call cloudtrail:LookupEvents") {
		t.Errorf("%v", err)
	}
}
